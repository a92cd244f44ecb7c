import { useRef } from 'react';
import type { Installed, Workspace } from 'coditect-shell';
import { PACKAGE_ENDING, pluginsAddress } from '../../../logic/plugins';
import { ConsentDialog } from '../../../parts/ConsentDialog';
import { Select } from '../../../parts/Field';
import { ProblemNote } from '../../../parts/ProblemNote';
import { Skeleton } from '../../../parts/Skeleton';
import { Link, navigate, useAddress } from '../../../parts/router';
import { useLoaded } from '../../../parts/useLoaded';
import { shell } from '../../../shell';
import { Publishing } from './Publishing';
import { PluginPage } from './PluginPage';
import { Registry } from './Registry';
import { RegistryLog } from './RegistryLog';
import { usePlugins, type Plugins as Those } from './usePlugins';
import '../../../parts/plugins.css';

/** The plugins of a person: in each workspace those that they installed there. */
export function Plugins() {
    const { value: workspaces, problem, reload } = useLoaded<Workspace[]>(async () => (await shell()).listWorkspaces());
    const { searchParams } = useAddress();
    const wanted = searchParams.get('workspace');
    const workspace = workspaces?.find(({ id }) => id === wanted) ?? workspaces?.[0];
    const plugin = searchParams.get('plugin') ?? undefined;
    return (
        <>
            {!workspace && <h1>Plugins</h1>}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            {!workspaces && !problem && <Skeleton rows={2} />}
            {workspaces?.length === 0 && <p className="nothing">Plugins are installed in workspaces, and you have none. <Link href="/dashboard">Make one</Link> first.</p>}
            {workspace && <InWorkspace key={workspace.id} workspace={workspace} workspaces={workspaces ?? []} plugin={plugin} />}
            {workspaces && plugin === undefined && <><Publishing /><RegistryLog /></>}
        </>
    );
}

function InWorkspace({ workspace, workspaces, plugin }: { workspace: Workspace; workspaces: readonly Workspace[]; plugin: string | undefined }) {
    const plugins = usePlugins(workspace.id);
    const { known, problem, reload, late, setLate, asked, closeAsked, agree } = plugins;
    return (
        <>
            {plugin === undefined && (
                <>
                    <h1>Plugins</h1>
                    <p className="hint">A plugin runs in a sandbox of this server and can do only what you grant it, in the workspace you install it in, and for you alone.</p>
                    <div><Select id="workspace" label="Workspace" value={workspace.id} choices={workspaces.map(({ id, name }) => [id, name])} onChange={id => navigate(pluginsAddress(id))} /></div>
                </>
            )}
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <ProblemNote problem={late} action={{ label: 'Dismiss', run: () => setLate(undefined) }} />
            {!known && !problem && <Skeleton rows={2} />}
            {known && (plugin === undefined
                ? <Overview workspace={workspace} plugins={plugins} />
                : <PluginPage key={plugin} id={plugin} workspace={workspace} rust={known.rust} plugins={plugins} />)}
            {asked && <ConsentDialog asked={asked} onAgree={agree} onClose={closeAsked} onLate={setLate} />}
        </>
    );
}

function Overview({ workspace, plugins }: { workspace: Workspace; plugins: Those }) {
    const { known, busy, installFile } = plugins;
    const file = useRef<HTMLInputElement>(null);
    return (
        <>
            <section className="stack" aria-labelledby="installed">
                <div className="title-row">
                    <h2 id="installed">In {workspace.name}</h2>
                    <button type="button" disabled={busy} onClick={() => file.current?.click()}>Install from a file</button>
                    <input ref={file} type="file" className="unseen" tabIndex={-1} aria-label="File of a plugin" accept={PACKAGE_ENDING} onChange={event => {
                        const chosen = event.target.files?.[0];
                        event.target.value = '';
                        if (chosen) {
                            void installFile(chosen);
                        }
                    }} />
                </div>
                {known?.installed.length === 0 && <p className="nothing">You have no plugin in this workspace.</p>}
                <ul className="rows">{known?.installed.map(plugin => <Row key={plugin.manifest.id} plugin={plugin} workspace={workspace} plugins={plugins} />)}</ul>
            </section>
            <Registry workspace={workspace} plugins={plugins} />
        </>
    );
}

function Row({ plugin, workspace, plugins: { known, busy, update } }: { plugin: Installed; workspace: Workspace; plugins: Those }) {
    const { manifest, update: newer, development } = plugin;
    const state = known?.rust.stateInWords(plugin);
    return (
        <li className="card line">
            <div className="grow">
                <h2>{manifest.title}{state && <span className={state.is_bad ? 'badge bad' : 'badge'}>{state.label}</span>}</h2>
                <p className="hint facts"><span className="path">{manifest.id}</span><span>{manifest.version}{development && ', in development'}</span>{(plugin.figures?.denials ?? 0) > 0 && <span>{plugin.figures?.denials} denied</span>}</p>
                {state?.detail && <p className={state.is_bad ? 'problem' : 'hint'}>{state.detail}</p>}
            </div>
            <div className="buttons">
                {newer && <button type="button" className="primary" disabled={busy} aria-label={`Update ${manifest.title} to ${newer.manifest.version}`} onClick={() => void update(plugin)}>Update …</button>}
                <Link className="button" href={pluginsAddress(workspace.id, manifest.id)} aria-label={`Manage ${manifest.title}`}>Manage</Link>
            </div>
        </li>
    );
}
