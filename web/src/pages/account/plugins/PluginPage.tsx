import { useState } from 'react';
import type { CapabilityName, Installed, Manifest, RegistryPlugin, Shell, SettingsChange, Workspace } from 'coditect-shell';
import { counted, duration } from '../../../logic/figures';
import { pluginsAddress } from '../../../logic/plugins';
import { problemOf } from '../../../logic/problem';
import { bytes } from '../../../logic/time';
import { ActionDialog } from '../../../parts/ActionDialog';
import { Markdown } from '../../../parts/Markdown';
import { ProblemNote } from '../../../parts/ProblemNote';
import { Rights } from '../../../parts/Rights';
import { Skeleton } from '../../../parts/Skeleton';
import { Link, navigate } from '../../../parts/router';
import { useLoaded } from '../../../parts/useLoaded';
import { PluginLog } from './PluginLog';
import { PluginSettings } from './PluginSettings';
import { Versions } from './Versions';
import type { Plugins } from './usePlugins';

interface Props {
    id: string;
    workspace: Workspace;
    rust: Shell;
    plugins: Plugins;
}

/** Everything about a plugin: what it is, and what it may do in a workspace. */
export function PluginPage({ id, workspace, rust, plugins }: Props) {
    const installed = plugins.known?.installed.find(({ manifest }) => manifest.id === id);
    // One that was installed from a file is in no registry.
    const { value, problem, reload } = useLoaded<{ registry: RegistryPlugin | undefined }>(() => rust.showPlugin(id).then(registry => ({ registry }), (error: unknown) => {
        if (installed && problemOf(error).kind === 'not_found') {
            return { registry: undefined };
        }
        throw error;
    }));
    const [leaving, setLeaving] = useState(false);
    const registry = value?.registry;
    const manifest = installed?.manifest ?? registry?.manifest;
    const back = pluginsAddress(workspace.id);
    const change = (asked: SettingsChange) => plugins.busily(async shell => plugins.put(await shell.changePlugin(workspace.id, id, asked)));
    if (!manifest) {
        return (
            <>
                <p><Link href={back}>All plugins of {workspace.name}</Link></p>
                <h1>{id}</h1>
                <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
                {!problem && <Skeleton rows={2} />}
            </>
        );
    }
    return (
        <>
            <p><Link href={back}>All plugins of {workspace.name}</Link></p>
            <Head manifest={manifest} registry={registry} icon={iconOf(rust, workspace.id, manifest, installed !== undefined)} />
            <ProblemNote problem={problem} action={{ label: 'Try again', run: reload }} />
            <Deeds id={id} installed={installed} registry={registry} plugins={plugins} onChange={change} onLeave={() => setLeaving(true)} />
            {installed && <State rust={rust} installed={installed} />}
            {installed && <Granted rust={rust} installed={installed} busy={plugins.busy} onGrant={granted => void change({ granted })} />}
            {installed && (manifest.settings?.length ?? 0) > 0 && <PluginSettings settings={manifest.settings ?? []} values={installed.settings} busy={plugins.busy} onSet={(name, set) => void change({ settings: { [name]: set } })} />}
            <section className="card stack"><h2>What it adds</h2><ul className="plain">{rust.addsInWords(manifest).map(line => <li key={line}>{line}</li>)}</ul></section>
            {installed && <PluginLog rust={rust} workspace={workspace.id} installed={installed} busy={plugins.busy} onGrant={name => void change({ granted: [...installed.granted, name] })} />}
            {registry?.readme && <section className="card readme" aria-label="Read me"><Markdown blocks={rust.readMarkdown(registry.readme)} /></section>}
            {registry && <Versions registry={registry} rust={rust} onChange={reload} onLate={plugins.setLate} />}
            {leaving && (
                <ActionDialog title={`Uninstall ${manifest.title}`} label="Uninstall it" busyLabel="Uninstalling …" className="danger" onClose={() => setLeaving(false)} onLate={plugins.setLate}
                    run={async () => { await plugins.remove(id); navigate(back); }}>
                    <p>What it kept in <strong>{workspace.name}</strong>, its settings and what you granted are deleted. Files that it wrote stay.</p>
                </ActionDialog>
            )}
        </>
    );
}

function iconOf(rust: Shell, workspace: string, { id, version, icon }: Manifest, isInstalled: boolean): string | undefined {
    if (!icon) {
        return undefined;
    }
    return isInstalled ? rust.installedAssetUrl(workspace, id, icon) : rust.pluginAssetUrl(id, version, icon);
}

function Head({ manifest, registry, icon }: { manifest: Manifest; registry: RegistryPlugin | undefined; icon: string | undefined }) {
    return (
        <div className="plugin-head">
            {icon && <img src={icon} alt="" width="56" height="56" />}
            <div>
                <h1>{manifest.title}</h1>
                <p>{manifest.description}</p>
                <p className="hint facts"><span className="path">{manifest.id}</span><span>{manifest.version}</span><span>{manifest.license}</span>{registry && <span>{counted(registry.downloads, 'download')}</span>}</p>
            </div>
        </div>
    );
}

interface DeedsProps {
    id: string;
    installed: Installed | undefined;
    registry: RegistryPlugin | undefined;
    plugins: Plugins;
    onChange: (change: SettingsChange) => Promise<void>;
    onLeave: () => void;
}

function Deeds({ id, installed, registry, plugins: { busy, install, update }, onChange, onLeave }: DeedsProps) {
    if (!installed) {
        const isAllowed = registry?.allowed ?? false;
        return (
            <p className="buttons">
                <button type="button" className="primary" disabled={busy || !isAllowed} onClick={() => void install(id)}>Install …</button>
                {registry && !isAllowed && <span className="hint">An admin does not allow it.</span>}
            </p>
        );
    }
    const isOff = installed.state === 'disabled' || installed.state === 'failed';
    const newest = registry?.versions.find(({ yanked }) => !yanked)?.version;
    return (
        <p className="buttons">
            {installed.update
                ? <button type="button" className="primary" disabled={busy} onClick={() => void update(installed)}>Update to {installed.update.manifest.version} …</button>
                : newest && newest !== installed.manifest.version && <button type="button" className="primary" disabled={busy} onClick={() => void install(id, newest)}>Take {newest} …</button>}
            <button type="button" disabled={busy} onClick={() => void onChange({ enabled: isOff })}>{isOff ? 'Switch on' : 'Switch off'}</button>
            <button type="button" disabled={busy} onClick={onLeave}>Uninstall …</button>
        </p>
    );
}

function State({ rust, installed }: { rust: Shell; installed: Installed }) {
    const { label, detail, is_bad: isBad } = rust.stateInWords(installed);
    const { calls = 0, failures = 0, busy_micros: busy = 0, peak_memory_bytes: peak = 0 } = installed.figures ?? {};
    return (
        <section className="card stack">
            <h2>{label}</h2>
            {detail && <p className={isBad ? 'problem' : undefined}>{detail}{installed.state === 'resting' && ` Until ${new Date(installed.until).toLocaleTimeString()}.`}</p>}
            {installed.update && <p className="warning">Version {installed.update.manifest.version} asks for more. Until you agree, {installed.manifest.version} goes on.</p>}
            <p className="hint">{counted(calls, 'call')} since the server started, {counted(failures, 'failure')}; {duration(busy)} in all, at most {bytes(peak)} at once.</p>
        </section>
    );
}

function Granted({ rust, installed, busy, onGrant }: { rust: Shell; installed: Installed; busy: boolean; onGrant: (granted: CapabilityName[]) => void }) {
    const rights = rust.grantsInWords(installed);
    return (
        <section className="card stack">
            <h2>What it may do in this workspace</h2>
            {rights.length === 0 ? <p>It asks for no rights at all.</p> : <p className="hint">What you switch off is gone at once, also for what it is doing now.</p>}
            <Rights rights={rights} disabled={busy} isOn={name => installed.granted.includes(name)}
                onSwitch={(name, on) => onGrant(on ? [...installed.granted, name] : installed.granted.filter(other => other !== name))} />
        </section>
    );
}
