import { useState } from 'react';
import type { RegistryLogEntry } from 'coditect-shell';
import { problemOf, type Problem } from '../../../logic/problem';
import { ProblemNote } from '../../../parts/ProblemNote';
import { When } from '../../../parts/When';
import { shell } from '../../../shell';

/** Entries that are fetched at once. */
const PAGE = 20;

const WORDS: Record<RegistryLogEntry['action'], string> = {
    publish: 'was published', yank: 'was taken back', restore: 'is offered again', add_key: 'got the key', revoke_key: 'lost the key',
};

/** What happened in the registry, the newest first, as its log has it for good. */
export function RegistryLog() {
    const [entries, setEntries] = useState<RegistryLogEntry[]>();
    const [problem, setProblem] = useState<Problem>();
    const [busy, setBusy] = useState(false);
    async function older(): Promise<void> {
        setBusy(true);
        setProblem(undefined);
        try {
            const rust = await shell();
            const end = entries?.at(-1)?.sequence ?? (await rust.registryLog(0, 1)).length;
            const from = Math.max(0, end - PAGE);
            const page = end === 0 ? [] : (await rust.registryLog(from, end - from)).entries;
            setEntries(now => [...now ?? [], ...page.toReversed()]);
        } catch (error) {
            setProblem(problemOf(error));
        } finally {
            setBusy(false);
        }
    }
    const isMore = entries === undefined || (entries.at(-1)?.sequence ?? 0) > 0;
    return (
        <section className="stack" aria-labelledby="registry-log">
            <h2 id="registry-log">What happened in the registry</h2>
            <p className="hint">Each entry holds the hash of the one before it: keep the newest one, and later you see whether anything before it was changed.</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: () => void older() }} />
            {entries?.length === 0 && <p role="status" className="nothing">Nothing was published yet.</p>}
            {entries && entries.length > 0 && (
                <ol className="rows" reversed>
                    {entries.map(entry => (
                        <li key={entry.sequence} className="card">
                            <p><strong>{subject(entry)}</strong> {WORDS[entry.action]}{entry.plugin === undefined && <> <code>{entry.key}</code></>} <span className="hint"><When what="" at={entry.at} /></span></p>
                            <p className="hint">#{entry.sequence}: <code>{entry.hash}</code></p>
                        </li>
                    ))}
                </ol>
            )}
            {isMore && <p><button type="button" disabled={busy} onClick={() => void older()}>{busy ? 'Loading …' : entries ? 'Show older' : 'Show the log'}</button></p>}
        </section>
    );
}

function subject({ publisher, plugin, version }: RegistryLogEntry): string {
    return plugin ? `${publisher}.${plugin} ${version ?? ''}` : publisher;
}
