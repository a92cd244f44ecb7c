import { useEffect, useRef, useState, type ReactNode } from 'react';
import type { UserInfo } from 'coditect-shell';
import { plainPath } from '../logic/next';
import type { Problem } from '../logic/problem';
import { Header } from './Header';
import { PersonMenu } from './PersonMenu';
import { ProblemNote } from './ProblemNote';
import { Skeleton } from './Skeleton';
import { Link, useAddress } from './router';
import { useSession } from './useSession';
import './sections.css';

interface Props {
    /** What the sections are of. */
    label: string;
    sections: readonly (readonly [path: string, name: string])[];
    /** Drawn anew for another person. */
    children: (user: UserInfo) => ReactNode;
}

/** A page of several sections, each with its own address, for who is logged in. */
export function Sections({ label, sections, children }: Props) {
    const { pathname } = useAddress();
    const { session, problem, reload } = useSession();
    const [late, setLate] = useState<Problem>();
    const here = plainPath(pathname);
    const nav = useRef<HTMLElement>(null);
    // On a narrow page the row of sections is wider than the page.
    useEffect(() => { nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' }); }, [here]);
    return (
        <>
            <Header>{session && <PersonMenu user={session.user} onProblem={setLate} />}</Header>
            <main className="sections" tabIndex={-1}>
                <nav ref={nav} aria-label={label}>
                    <ul>
                        {sections.map(([path, name]) => <li key={path}><Link href={path} aria-current={here === path ? 'page' : undefined}>{name}</Link></li>)}
                    </ul>
                </nav>
                <div className="section-content">
                    <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
                    <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
                    {session ? <div key={session.user.id} className="stack wide">{children(session.user)}</div> : !problem && <Skeleton rows={3} />}
                </div>
            </main>
        </>
    );
}
