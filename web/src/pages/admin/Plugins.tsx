import { useState, type SyntheticEvent } from 'react';
import type { PluginPolicy, PluginsOverview, WhoMayPublish } from 'coditect-shell';
import { duration, whole } from '../../logic/figures';
import { draftOf, namesOf, policyOf, wrongName, type PolicyDraft } from '../../logic/plugins';
import { bytes } from '../../logic/time';
import { Select } from '../../parts/Field';
import { ProblemNote } from '../../parts/ProblemNote';
import { ScrollTable } from '../../parts/ScrollTable';
import { Skeleton } from '../../parts/Skeleton';
import { SubmitButton } from '../../parts/SubmitButton';
import { useAction } from '../../parts/useAction';
import { useLoaded } from '../../parts/useLoaded';
import { usePeople } from '../../parts/usePeople';
import { shell } from '../../shell';
import { Publishing } from '../account/plugins/Publishing';
import '../../parts/models.css';

const PUBLISH: readonly (readonly [WhoMayPublish, string])[] = [
    ['everybody', 'Everybody who can log in'],
    ['admins', 'Admins'],
    ['nobody', 'Nobody: only what the mirror directory holds'],
];

/** What an admin allows of plugins, and how they do on this server. */
export function Plugins() {
    const { value: policy, problem, reload } = useLoaded<PluginPolicy>(async () => (await shell()).pluginPolicy());
    const { value: overview, problem: unknown, reload: again } = useLoaded<PluginsOverview>(async () => (await shell()).pluginsOverview());
    const { value: people } = usePeople();
    return (
        <>
            <h1>Plugins</h1>
            <p className="hint">Plugins run in a sandbox and can do only what each person grants them. Here you say which may be there at all.</p>
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!policy && !problem && <Skeleton rows={3} />}
            {policy && <PolicyForm start={policy} noPrivate={overview?.private_hosts === false} />}
            <ProblemNote problem={unknown} action={{ label: 'Try again', run: again }} />
            {overview && <Overview overview={overview} />}
            <Publishing people={people ?? []} />
        </>
    );
}

/** With `noPrivate`, this server lets no plugin into private networks, whatever is said here. */
function PolicyForm({ start, noPrivate }: { start: PluginPolicy; noPrivate: boolean }) {
    const [base, setBase] = useState(start);
    const [draft, setDraft] = useState(() => draftOf(start));
    const [told, setTold] = useState('');
    const { busy, problem, start: act } = useAction();
    const wrong = wrongName([...(draft.onlyAllowed ? namesOf(draft.allow) : []), ...namesOf(draft.block)]);
    const isDirty = JSON.stringify(policyOf(draft)) !== JSON.stringify(policyOf(draftOf(base)));
    const patch = (changes: Partial<PolicyDraft>) => {
        setDraft({ ...draft, ...changes });
        setTold('');
    };
    async function submit(event: SyntheticEvent): Promise<void> {
        event.preventDefault();
        if (wrong === undefined) {
            await act(async () => {
                const policy = policyOf(draft);
                await (await shell()).changePluginPolicy(policy);
                setBase(policy);
                setTold('Saved. What is blocked has ended; what is not on the list stays where it is installed, and is installed nowhere anew.');
            });
        }
    }
    return (
        <form className="card" onSubmit={event => void submit(event)}>
            <h2>What is allowed</h2>
            <label className="check">
                <input type="checkbox" role="switch" checked={draft.onlyAllowed} onChange={event => patch({ onlyAllowed: event.target.checked })} />
                <span><strong>Only plugins of a list</strong> <span className="hint">Nothing else may be installed; what is installed already stays.</span></span>
            </label>
            {draft.onlyAllowed && <Names id="plugins-allow" label="Allowed" value={draft.allow} onChange={allow => patch({ allow })} hint="One a line: publisher.name, or publisher.* for all of a publisher." />}
            <Names id="plugins-block" label="Blocked" value={draft.block} onChange={block => patch({ block })} hint="One a line: publisher.name, or publisher.* for all of a publisher. They end at once, also where they are installed already." />
            <Select<WhoMayPublish> id="plugins-publish" label="Who may publish in this server’s registry" value={draft.publish} choices={PUBLISH} onChange={publish => patch({ publish })} />
            <label className="check">
                <input type="checkbox" role="switch" checked={draft.files} onChange={event => patch({ files: event.target.checked })} />
                <span><strong>From files too</strong> <span className="hint">People may install packages that are in no registry, and work on plugins of their own.</span></span>
            </label>
            <label className="check">
                <input type="checkbox" role="switch" checked={draft.privateHosts} disabled={noPrivate && !draft.privateHosts} onChange={event => patch({ privateHosts: event.target.checked })} />
                <span>
                    <strong>Into private networks</strong> <span className="hint">People may grant requests to machines that only this server can reach. {noPrivate && <>
                        It does nothing here: the server’s setting <code>plugin_private_hosts</code> is off.</>}
                    </span>
                </span>
            </label>
            {wrong !== undefined && <p className="problem" role="alert">“{wrong}” is no name of plugins: write publisher.name or publisher.*</p>}
            <ProblemNote problem={problem} />
            <p role="status" className="good">{told}</p>
            <footer><SubmitButton busy={busy} busyLabel="Saving …" disabled={!isDirty || wrong !== undefined}>Save</SubmitButton></footer>
        </form>
    );
}

function Names({ id, label, value, onChange, hint }: { id: string; label: string; value: string; onChange: (value: string) => void; hint: string }) {
    return (
        <>
            <label htmlFor={id}>{label}</label>
            <textarea id={id} rows={Math.min(12, Math.max(2, value.split('\n').length))} value={value} autoCapitalize="off" spellCheck={false} aria-describedby={`${id}-hint`} onChange={event => onChange(event.target.value)} />
            <p id={`${id}-hint`} className="hint">{hint}</p>
        </>
    );
}

function Overview({ overview: { plugins, versions, loaded, usage, mirror_faults: faults } }: { overview: PluginsOverview }) {
    return (
        <>
            <section className="stack">
                <h2>On this server</h2>
                <dl className="tiles">
                    <div className="card tile"><dt>Plugins published</dt><dd>{whole(plugins)}</dd></div>
                    <div className="card tile"><dt>Versions</dt><dd>{whole(versions)}</dd></div>
                    <div className="card tile"><dt>In memory now</dt><dd>{whole(loaded)}</dd></div>
                </dl>
            </section>
            {faults.length > 0 && (
                <section className="card stack">
                    <h2>Wrong in the mirror directory</h2>
                    <p className="hint">These files are not offered until they are right.</p>
                    <ul className="plain">{faults.map(({ file, reason }) => <li key={file}><code>{file}</code>: {reason}</li>)}</ul>
                </section>
            )}
            {usage.length > 0 && (
                <section className="stack">
                    <h2>Since the server started</h2>
                    <ScrollTable caption="What plugins took">
                        <thead><tr><th scope="col">Plugin</th><th scope="col">Calls</th><th scope="col">Failed</th><th scope="col">Time</th><th scope="col">Most memory</th><th scope="col">Denied</th></tr></thead>
                        <tbody>
                            {usage.map(({ plugin, figures }) => (
                                <tr key={plugin}>
                                    <th scope="row">{plugin}</th><td>{whole(figures.calls)}</td><td>{whole(figures.failures)}</td><td>{duration(figures.busy_micros)}</td>
                                    <td>{bytes(figures.peak_memory_bytes)}</td><td>{whole(figures.denials)}</td>
                                </tr>
                            ))}
                        </tbody>
                    </ScrollTable>
                </section>
            )}
        </>
    );
}
