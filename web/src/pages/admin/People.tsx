import { useState } from 'react';
import type { PersonEntry, UserInfo } from 'coditect-shell';
import { problemOf, type Problem } from '../../logic/problem';
import { ProblemNote } from '../../parts/ProblemNote';
import { Skeleton } from '../../parts/Skeleton';
import { When } from '../../parts/When';
import { useLoaded } from '../../parts/useLoaded';
import { shell } from '../../shell';
import { PersonDialog } from './PersonDialog';

interface Listed {
    people: PersonEntry[];
    next: string | undefined;
}

async function page(after?: string): Promise<Listed> {
    const { people, next } = await (await shell()).listPeople(after);
    return { people, next: next ?? undefined };
}

export function People({ self }: { self: UserInfo }) {
    const { value: listed, problem, reload, change } = useLoaded<Listed>(page);
    const [late, setLate] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    const [openId, setOpenId] = useState<string>();
    const open = listed?.people.find(({ user }) => user.id === openId);

    async function more(after: string): Promise<void> {
        setBusy(true);
        setLate(undefined);
        try {
            const following = await page(after);
            change(now => ({ people: [...now.people, ...following.people], next: following.next }));
        } catch (error) {
            setLate(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    function changed(entry: PersonEntry): void {
        change(now => ({ ...now, people: now.people.map(each => each.user.id === entry.user.id ? entry : each) }));
    }
    return (
        <>
            <h1>People</h1>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!listed && !problem && <Skeleton rows={3} />}
            <ul className="rows">{listed?.people.map(person => <Row key={person.user.id} person={person} isSelf={person.user.id === self.id} onOpen={() => setOpenId(person.user.id)} />)}</ul>
            {listed?.next !== undefined && <p><button type="button" disabled={busy} onClick={() => void more(listed.next ?? '')}>{busy ? 'Loading …' : 'Show more'}</button></p>}
            {open && <PersonDialog person={open} isSelf={open.user.id === self.id} onChanged={changed} onClose={() => setOpenId(undefined)} />}
        </>
    );
}

function Row({ person: { user, disabled, second_factor: hasSecondFactor, sessions }, isSelf, onOpen }: { person: PersonEntry; isSelf: boolean; onOpen: () => void }) {
    return (
        <li className="card line">
            <div className="grow">
                <h2>
                    {user.login} {isSelf && <span className="badge">You</span>} {user.role === 'admin' && <span className="badge">Admin</span>} {disabled && <span className="badge bad">Disabled</span>}
                </h2>
                <p className="hint facts">
                    <When what="Registered" at={user.created_at} />
                    <span>{hasSecondFactor ? 'Second factor on' : 'No second factor'}</span>
                    <span>{sessions === 1 ? '1 login' : `${sessions} logins`}</span>
                </p>
            </div>
            <button type="button" aria-label={`Manage ${user.login}`} onClick={onOpen}>Manage</button>
        </li>
    );
}
