import type { CapabilityName, Installed, LogLine, PluginLog as Log, Shell } from 'coditect-shell';
import { ProblemNote } from '../../../parts/ProblemNote';
import { Skeleton } from '../../../parts/Skeleton';
import { useLoaded } from '../../../parts/useLoaded';

interface Props {
    rust: Shell;
    workspace: string;
    installed: Installed;
    busy: boolean;
    onGrant: (name: CapabilityName) => void;
}

/** What a plugin said, and what it was denied. */
export function PluginLog({ rust, workspace, installed, busy, onGrant }: Props) {
    const { value: log, problem, reload } = useLoaded<Log>(() => rust.pluginLog(workspace, installed.manifest.id));
    const denials = log?.denials.map(denial => rust.denialInWords(denial, installed)) ?? [];
    return (
        <section className="card stack">
            <div className="title-row">
                <h2>What it did</h2>
                <button type="button" onClick={reload}>Look again</button>
            </div>
            <ProblemNote problem={problem} />
            {!log && !problem && <Skeleton />}
            {denials.length > 0 && (
                <ul className="plain" aria-label="Denied">
                    {denials.map(({ text, advice, can_grant: canGrant, capability }) => (
                        <li key={text}>
                            {text} <span className="hint">{advice}</span>
                            {canGrant && <> <button type="button" className="link" disabled={busy} aria-label={`Grant ${capability}`} onClick={() => onGrant(capability)}>Grant</button></>}
                        </li>
                    ))}
                </ul>
            )}
            {log?.lines.length === 0 && <p className="hint">It said nothing yet.</p>}
            {(log?.lines.length ?? 0) > 0 && <pre className="log" tabIndex={0} aria-label="Log">{log?.lines.map(lineOf).join('\n')}</pre>}
        </section>
    );
}

function lineOf({ at, level, text }: LogLine): string {
    return `${new Date(at).toLocaleTimeString()} ${level.padEnd(5)} ${text}`;
}
