import { useEffect, useRef, useState } from 'react';
import type { RegistryEntry, Workspace } from 'coditect-shell';
import { counted } from '../../../logic/figures';
import { pluginsAddress } from '../../../logic/plugins';
import { problemOf, type Problem } from '../../../logic/problem';
import { Field } from '../../../parts/Field';
import { ProblemNote } from '../../../parts/ProblemNote';
import { Skeleton } from '../../../parts/Skeleton';
import { Link } from '../../../parts/router';
import { shell } from '../../../shell';
import type { Plugins } from './usePlugins';

/** How long nothing is typed before the registry is searched, in milliseconds. */
const SEARCH_AFTER_MS = 250;

interface Found {
    plugins: RegistryEntry[];
    next: string | undefined;
}

/** What there is to install. */
export function Registry({ workspace, plugins: { known, busy, install } }: { workspace: Workspace; plugins: Plugins }) {
    const [query, setQuery] = useState('');
    const [found, setFound] = useState<Found>();
    const [problem, setProblem] = useState<Problem>();
    /** Counts searches: only the answer to the latest is shown. */
    const turn = useRef(0);

    async function search(after?: string): Promise<void> {
        turn.current += 1;
        const mine = turn.current;
        try {
            const { plugins, next } = await (await shell()).searchPlugins(query, after);
            if (mine === turn.current) {
                setFound(now => ({ plugins: after === undefined ? plugins : [...now?.plugins ?? [], ...plugins], next: next ?? undefined }));
                setProblem(undefined);
            }
        } catch (error) {
            if (mine === turn.current) {
                setProblem(problemOf(error));
            }
        }
    }
    useEffect(() => {
        const timer = setTimeout(() => void search(), query === '' ? 0 : SEARCH_AFTER_MS);
        return () => {
            clearTimeout(timer);
            turn.current += 1;
        };
    }, [query]);

    const isThere = (id: string) => known?.installed.some(({ manifest }) => manifest.id === id) ?? false;
    const others = found?.plugins.filter(({ id }) => !isThere(id));
    return (
        <section className="stack" aria-labelledby="registry">
            <h2 id="registry">Registry</h2>
            <div className="plugin-search"><div><Field id="plugin-query" type="search" label="Search" value={query} onChange={setQuery} autoComplete="off" placeholder="What should it do?" /></div></div>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: () => void search() }} />
            {!others && !problem && <Skeleton />}
            {others?.length === 0 && <p role="status" className="nothing">{query ? `No other plugin is found by “${query}”.` : 'There is no other plugin in this server’s registry.'}</p>}
            <ul className="rows">
                {others?.map(({ id, title, version, description, downloads, allowed }) => (
                    <li key={id} className="card line">
                        <div className="grow">
                            <h2><Link href={pluginsAddress(workspace.id, id)}>{title}</Link>{!allowed && <span className="badge bad">Not allowed here</span>}</h2>
                            <p>{description}</p>
                            <p className="hint facts"><span className="path">{id}</span><span>{version}</span><span>{counted(downloads, 'download')}</span></p>
                        </div>
                        <button type="button" disabled={busy || !allowed} aria-label={`Install ${title}`} onClick={() => void install(id)}>Install …</button>
                    </li>
                ))}
            </ul>
            {found?.next !== undefined && <p><button type="button" onClick={() => void search(found.next)}>Show more</button></p>}
        </section>
    );
}
