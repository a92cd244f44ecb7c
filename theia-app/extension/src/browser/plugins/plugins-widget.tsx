import { CommandService } from '@theia/core';
import { ReactWidget } from '@theia/core/lib/browser';
import { Message } from '@theia/core/lib/browser/widgets';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import type { Installed, RegistryEntry } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { PluginActions } from './plugin-actions';
import { PluginList } from './plugin-list';
import { SHOW_PLUGIN } from './plugin-messages';

/** How long nothing is typed before the registry is searched, in milliseconds. */
const SEARCH_AFTER_MS = 250;

/** The side bar's view of the plugins: those of the workspace, and those of the registry. */
@injectable()
export class PluginsWidget extends ReactWidget {

    static readonly ID = 'coditect-plugins';
    static readonly LABEL = 'Plugins';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginList) protected readonly list: PluginList;
    @inject(PluginActions) protected readonly pluginActions: PluginActions;
    @inject(CommandService) protected readonly commands: CommandService;

    protected query = '';
    protected found: RegistryEntry[] | undefined;
    protected next: string | undefined;
    protected problem: string | undefined;
    protected timer: number | undefined;
    /** Counts searches: only the answer to the latest is shown. */
    protected turn = 0;

    @postConstruct()
    protected init(): void {
        this.id = PluginsWidget.ID;
        this.title.label = PluginsWidget.LABEL;
        this.title.caption = 'Plugins of this workspace';
        this.title.iconClass = 'codicon codicon-extensions';
        this.title.closable = true;
        this.addClass('coditect-plugins');
        this.node.tabIndex = 0;
        this.toDispose.push(this.list.onDidChange(() => this.update()));
        this.update();
    }

    protected override onActivateRequest(): void {
        this.node.querySelector<HTMLElement>('input')?.focus();
    }

    protected override onAfterShow(message: Message): void {
        super.onAfterShow(message);
        if (!this.found) {
            this.search();
        }
    }

    protected async search(after?: string): Promise<void> {
        const mine = ++this.turn;
        try {
            const page = await this.host.shell.searchPlugins(this.query, after);
            if (mine === this.turn) {
                this.found = after === undefined ? page.plugins : [...this.found ?? [], ...page.plugins];
                this.next = page.next ?? undefined;
                this.problem = undefined;
            }
        } catch (error) {
            if (mine === this.turn) {
                this.problem = ShellProblem.describe(error);
            }
        }
        this.update();
    }

    protected readonly type = (event: React.ChangeEvent<HTMLInputElement>): void => {
        this.query = event.target.value;
        window.clearTimeout(this.timer);
        this.timer = window.setTimeout(() => this.search(), SEARCH_AFTER_MS);
        this.update();
    };

    protected render(): React.ReactNode {
        const installed = this.list.plugins ?? [];
        const others = this.found?.filter(({ id }) => !this.list.find(id));
        return <React.Fragment>
            <input type='search' className='theia-input' aria-label='Search the registry' placeholder='Search the registry' value={this.query} onChange={this.type} />
            {(this.problem ?? this.list.problem) && <p role='alert' className='coditect-problem'>{this.problem ?? this.list.problem}</p>}
            <section aria-label='Installed'><h3>In this workspace</h3>
                {this.list.plugins && installed.length === 0 && <p>No plugin is installed here.</p>}
                <ul>{installed.map(plugin => <li key={plugin.manifest.id}>{this.renderInstalled(plugin)}</li>)}</ul>
            </section>
            <section aria-label='Registry'><h3>In the registry</h3>
                {!others && !this.problem && <p role='status'>Looking …</p>}
                {others?.length === 0 && <p role='status'>{this.query ? `No other plugin is found by “${this.query}”.` : 'There is no other plugin.'}</p>}
                <ul>{others?.map(entry => <li key={entry.id}>{this.renderEntry(entry)}</li>)}</ul>
                {this.next && <button type='button' className='theia-button secondary' onClick={() => this.search(this.next)}>Show more</button>}
            </section>
            <div className='coditect-actions'><button type='button' className='theia-button secondary' onClick={() => this.pluginActions.installFile()}>Install from a file …</button></div>
        </React.Fragment>;
    }

    protected renderInstalled(plugin: Installed): React.ReactNode {
        const { manifest: { id, title, version, description }, update, development } = plugin;
        const { label, detail, is_bad: isBad } = this.host.shell.stateInWords(plugin);
        return <React.Fragment>
            <button type='button' className='plugin-entry' onClick={() => this.showPage(id)} title={detail || description}>
                <strong>{title}</strong> <small className='plugin-muted'>{version}{development && ', in development'}</small>
                <small className={isBad ? 'coditect-problem' : 'plugin-muted'}>{label}{update && ' · update'}{plugin.figures && plugin.figures.denials > 0 && ` · ${plugin.figures.denials} denied`}</small>
            </button>
            {update && <button type='button' className='theia-button secondary' onClick={() => this.pluginActions.update(plugin)}>Update …</button>}
        </React.Fragment>;
    }

    protected renderEntry({ id, title, version, description, downloads, allowed }: RegistryEntry): React.ReactNode {
        return <React.Fragment>
            <button type='button' className='plugin-entry' onClick={() => this.showPage(id)} title={id}>
                <strong>{title}</strong> <small className='plugin-muted'>{version} · {downloads.toLocaleString()} downloads</small>
                <small>{description}</small>
            </button>
            <button type='button' className='theia-button secondary' aria-label={`Install ${title}`} disabled={!allowed} title={allowed ? undefined : 'An admin does not allow it.'} onClick={() => this.pluginActions.install(id)}>Install …</button>
        </React.Fragment>;
    }

    protected showPage(id: string): void {
        this.commands.executeCommand(SHOW_PLUGIN.id, id).catch(error => console.error(error));
    }
}
