import { ReactWidget } from '@theia/core/lib/browser';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import type { Block, DenialInWords, Installed, LogLine, PluginLog, RegistryPlugin } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { MarkdownBlocks } from './markdown-blocks';
import { PluginActions } from './plugin-actions';
import { PluginList } from './plugin-list';
import { PluginSettings } from './plugin-settings';
import { PluginViewOpener } from './plugin-view-opener';
import { Rights } from './rights';

export const PLUGIN_PAGE_FACTORY = 'coditect-plugin-page';
export const PluginPageOptions = Symbol('PluginPageOptions');
export interface PluginPageOptions {
    readonly plugin: string;
}

/** Everything about a plugin: what it is, what it may do here, what it said and was denied. */
@injectable()
export class PluginPageWidget extends ReactWidget {

    @inject(PluginPageOptions) protected readonly options: PluginPageOptions;
    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginList) protected readonly list: PluginList;
    @inject(PluginActions) protected readonly pluginActions: PluginActions;
    @inject(PluginViewOpener) protected readonly views: PluginViewOpener;

    /** What the registry says; nothing where it comes from elsewhere. */
    protected known: RegistryPlugin | undefined;
    /** The registry knows nothing of it, as of one from a file. */
    protected isUnlisted = false;
    protected readme: Block[] = [];
    protected log: PluginLog | undefined;
    protected problem: string | undefined;

    @postConstruct()
    protected init(): void {
        this.id = `${PLUGIN_PAGE_FACTORY}:${this.options.plugin}`;
        this.title.closable = true;
        this.title.iconClass = 'codicon codicon-extensions';
        this.addClass('coditect-plugin-page');
        this.node.tabIndex = 0;
        this.toDispose.push(this.list.onDidChange(() => this.update()));
        this.update();
        this.load();
    }

    protected override onActivateRequest(): void {
        this.node.focus();
    }

    protected async load(): Promise<void> {
        try {
            this.known = await this.host.shell.showPlugin(this.options.plugin);
            this.readme = this.host.shell.readMarkdown(this.known.readme ?? '');
        } catch (error) {
            this.isUnlisted = ShellProblem.hasKind(error, 'not_found');
            this.problem = this.isUnlisted ? undefined : ShellProblem.describe(error);
        }
        await this.loadLog();
    }

    protected readonly loadLog = async (): Promise<void> => {
        if (this.installed) {
            try {
                this.log = await this.host.shell.pluginLog(this.host.workspace.id, this.options.plugin);
            } catch (error) {
                this.problem = ShellProblem.describe(error);
            }
        }
        this.update();
    };

    protected get installed(): Installed | undefined {
        return this.list.find(this.options.plugin);
    }

    protected render(): React.ReactNode {
        const { installed, known } = this;
        const manifest = installed?.manifest ?? known?.manifest;
        this.title.label = manifest?.title ?? this.options.plugin;
        this.title.caption = this.options.plugin;
        if (!manifest) {
            const isNowhere = this.isUnlisted && this.list.plugins !== undefined;
            return <p role={this.problem ? 'alert' : 'status'}>{this.problem ?? (isNowhere ? 'It is not installed here, and it is in no registry.' : 'Loading …')}</p>;
        }
        return <React.Fragment>
            <header>
                {manifest.icon && <img alt='' width={48} height={48} src={installed
                    ? this.host.shell.installedAssetUrl(this.host.workspace.id, manifest.id, manifest.icon)
                    : this.host.shell.pluginAssetUrl(manifest.id, manifest.version, manifest.icon)} />}
                <div>
                    <h2>{manifest.title} <small className='plugin-muted'>{manifest.version}</small></h2>
                    <p className='plugin-muted'>{manifest.id} · {manifest.license}{known && ` · ${known.downloads.toLocaleString()} downloads`}{installed?.development && ' · in development'}</p>
                    <p>{manifest.description}</p>
                    {this.renderActions(installed)}
                </div>
            </header>
            {this.problem && <p role='alert' className='coditect-problem'>{this.problem}</p>}
            {installed && this.renderState(installed)}
            {installed && this.renderRights(installed)}
            {installed && (manifest.settings?.length ?? 0) > 0 && <section aria-label='Settings'><h3>Settings</h3>
                <PluginSettings settings={manifest.settings ?? []} values={installed.settings} onSet={(id, value) => this.pluginActions.change(manifest.id, { settings: { [id]: value } })} />
            </section>}
            <section aria-label='What it adds'><h3>What it adds</h3><ul>{this.host.shell.addsInWords(manifest).map(line => <li key={line}>{line}</li>)}</ul></section>
            {installed && this.renderLog(installed)}
            {this.readme.length > 0 && <section aria-label='Read me' className='plugin-markdown'><MarkdownBlocks blocks={this.readme} /></section>}
            {known && <section aria-label='Versions'><h3>Versions</h3><ul>{known.versions.map(({ version, yanked, key, published_at }) => <li key={version}>
                {version} <small className='plugin-muted'>{new Date(published_at).toLocaleDateString()}, signed with {key}{yanked && ', taken back'}</small>
            </li>)}</ul></section>}
        </React.Fragment>;
    }

    protected renderActions(installed: Installed | undefined): React.ReactNode {
        const { plugin } = this.options;
        if (!installed) {
            const isAllowed = this.known?.allowed ?? false;
            return <div className='coditect-actions'>
                <button type='button' className='theia-button main' disabled={!isAllowed} onClick={() => this.pluginActions.install(plugin)}>Install …</button>
                {!isAllowed && <small>An admin does not allow it.</small>}
            </div>;
        }
        const isOff = installed.state === 'disabled' || installed.state === 'failed';
        const newest = this.known?.versions.find(({ yanked }) => !yanked)?.version;
        const sideViews = isOff ? [] : installed.manifest.offers?.views?.filter(({ place }) => place === 'side') ?? [];
        return <div className='coditect-actions'>
            {installed.update
                ? <button type='button' className='theia-button main' onClick={() => this.pluginActions.update(installed)}>Update to {installed.update.manifest.version} …</button>
                : newest && newest !== installed.manifest.version && <button type='button' className='theia-button main' onClick={() => this.pluginActions.install(plugin, newest)}>Take {newest} …</button>}
            {sideViews.map(({ id, title }) => <button key={id} type='button' className='theia-button secondary' onClick={() => this.views.open(plugin, id)}>Show {title}</button>)}
            <button type='button' className='theia-button secondary' onClick={() => this.pluginActions.change(plugin, { enabled: isOff })}>{isOff ? 'Switch on' : 'Switch off'}</button>
            <button type='button' className='theia-button secondary' onClick={() => this.pluginActions.uninstall(installed)}>Uninstall …</button>
        </div>;
    }

    protected renderState(installed: Installed): React.ReactNode {
        const { label, detail, is_bad: isBad } = this.host.shell.stateInWords(installed);
        return <p role='status' className={isBad ? 'coditect-problem' : undefined}>
            {label}{detail && `: ${detail}`}
            {installed.state === 'resting' && ` Until ${new Date(installed.until).toLocaleTimeString()}.`}
            {installed.update && ' A newer version asks for more; see what is new before you agree.'}
        </p>;
    }

    protected renderRights(installed: Installed): React.ReactNode {
        const rights = this.host.shell.grantsInWords(installed);
        return <section aria-label='Rights'><h3>What it may do in this workspace</h3>
            {rights.length === 0 ? <p>It asks for no rights at all.</p> : <React.Fragment>
                <p className='plugin-muted'>What you switch off is gone at once, also for what it is doing now.</p>
                <Rights rights={rights} isOn={name => installed.granted.includes(name)} onSwitch={(name, on) => this.pluginActions.grant(installed, name, on)} />
            </React.Fragment>}
        </section>;
    }

    protected renderLog(installed: Installed): React.ReactNode {
        const { calls, failures, busy_micros, peak_memory_bytes } = installed.figures ?? { calls: 0, failures: 0, busy_micros: 0, peak_memory_bytes: 0 };
        const denials = this.log?.denials.map(denial => this.host.shell.denialInWords(denial, installed)) ?? [];
        return <section aria-label='Log'><h3>What it did</h3>
            <p className='plugin-muted'>{calls.toLocaleString()} calls since the server started, {failures.toLocaleString()} failed; {(busy_micros / 1e6).toFixed(1)} s, at most {(peak_memory_bytes / 2 ** 20).toFixed(0)} MiB.</p>
            <div className='coditect-actions'><button type='button' className='theia-button secondary' onClick={this.loadLog}>Look again</button></div>
            {denials.length > 0 && <ul aria-label='Denied'>{denials.map(denial => <li key={denial.text}>{this.renderDenial(installed, denial)}</li>)}</ul>}
            {(this.log?.lines.length ?? 0) > 0 && <pre tabIndex={0} className='plugin-log' aria-label='Log'>{this.log?.lines.map(lineOfLog).join('\n')}</pre>}
        </section>;
    }

    protected renderDenial(installed: Installed, { text, advice, can_grant: canGrant, capability }: DenialInWords): React.ReactNode {
        return <React.Fragment>
            {text} <span className='plugin-muted'>{advice}</span>
            {canGrant && <button type='button' className='coditect-link' onClick={() => this.pluginActions.grant(installed, capability, true)}>Grant</button>}
        </React.Fragment>;
    }
}

function lineOfLog({ at, level, text }: LogLine): string {
    return `${new Date(at).toLocaleTimeString()} ${level.padEnd(5)} ${text}`;
}
