import { CommonCommands, KeybindingRegistry, ReactWidget } from '@theia/core/lib/browser';
import { CommandRegistry } from '@theia/core';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { quickFileOpen } from '@theia/file-search/lib/browser/quick-file-open';
import { KeymapsCommands } from '@theia/keymaps/lib/browser';
import { SearchInWorkspaceCommands } from '@theia/search-in-workspace/lib/browser/search-in-workspace-frontend-contribution';
import { TerminalCommands } from '@theia/terminal/lib/browser/terminal-frontend-contribution';
import { AI_CHAT_TOGGLE_COMMAND_ID } from '@theia/ai-chat-ui/lib/browser/ai-chat-ui-contribution';
import { ModelCatalogue } from '../chat/model-catalogue';
import { ShellHost } from '../shell/shell-host';
import type { WorkspaceInfo } from '../shell/shell-types';
import { ShellWorkspaceServer } from '../workspace/shell-workspace-server';

/** Most other workspaces shown. */
const MAX_SHOWN = 5;

interface Action {
    readonly command: string;
    readonly label: string;
    readonly icon: string;
}

const START: readonly Action[] = [
    { command: quickFileOpen.id, label: 'Open a file', icon: 'codicon-go-to-file' },
    { command: TerminalCommands.NEW.id, label: 'Open a terminal', icon: 'codicon-terminal' },
    { command: AI_CHAT_TOGGLE_COMMAND_ID, label: 'Ask the chat', icon: 'codicon-comment-discussion' },
    { command: SearchInWorkspaceCommands.TOGGLE_SIW_WIDGET.id, label: 'Search in all files', icon: 'codicon-search' },
    { command: CommonCommands.NEW_UNTITLED_TEXT_FILE.id, label: 'New file', icon: 'codicon-new-file' }
];

const SHORTCUTS: readonly Omit<Action, 'icon'>[] = [
    { command: 'workbench.action.showCommands', label: 'All commands' },
    { command: quickFileOpen.id, label: 'Open a file by name' },
    { command: SearchInWorkspaceCommands.OPEN_SIW_WIDGET.id, label: 'Search in all files' },
    { command: 'terminal:toggle', label: 'Show or hide the terminal' },
    { command: CommonCommands.SAVE.id, label: 'Save' },
    { command: CommonCommands.OPEN_PREFERENCES.id, label: 'Settings' },
    { command: KeymapsCommands.OPEN_KEYMAPS.id, label: 'All keyboard shortcuts' }
];

/** The page that a person meets first. */
@injectable()
export class WelcomeWidget extends ReactWidget {

    static readonly ID = 'coditect-welcome';
    static readonly LABEL = 'Welcome';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ShellWorkspaceServer) protected readonly workspaces: ShellWorkspaceServer;
    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;
    @inject(CommandRegistry) protected readonly commands: CommandRegistry;
    @inject(KeybindingRegistry) protected readonly keybindings: KeybindingRegistry;

    protected others: WorkspaceInfo[] = [];

    @postConstruct()
    protected init(): void {
        this.id = WelcomeWidget.ID;
        this.title.label = WelcomeWidget.LABEL;
        this.title.caption = WelcomeWidget.LABEL;
        this.title.iconClass = 'coditect-icon';
        this.title.closable = true;
        this.addClass('coditect-welcome');
        this.node.tabIndex = 0;
        this.toDispose.push(this.catalogue.onDidChange(() => this.update()));
        this.toDispose.push(this.keybindings.onKeybindingsChanged(() => this.update()));
        this.workspaces.others().then(others => {
            this.others = others.slice(0, MAX_SHOWN);
            this.update();
        }, error => console.warn(error));
        this.update();
    }

    protected override onActivateRequest(): void {
        this.node.focus();
    }

    protected render(): React.ReactNode {
        return <div className='coditect-welcome-page'>
            <header>
                <div className='coditect-logo' aria-hidden='true' />
                <div>
                    <h1>Coditect</h1>
                    <p>{this.host.workspace.name}</p>
                </div>
            </header>
            <div className='coditect-welcome-columns'>
                <section aria-label='Start'>
                    <h2>Start</h2>
                    {START.map(({ command, label, icon }) =>
                        <button key={command} className='coditect-action' onClick={() => this.run(command)}>
                            <span className={`codicon ${icon}`} aria-hidden='true' />{label}
                        </button>)}
                    {this.renderModels()}
                </section>
                <section aria-label='Workspaces'>
                    <h2>Other workspaces</h2>
                    {this.others.length > 0
                        ? <ul>{this.others.map(({ id, name, folder }) => <li key={id}><a href={this.host.workspaceUrl(id)}>{name}</a> <small>{folder}</small></li>)}</ul>
                        : <p>There is no other one yet.</p>}
                    <p><a href={this.host.pageUrl('dashboard')}>Dashboard</a></p>
                    <h2>Keyboard</h2>
                    <dl>{SHORTCUTS.map(shortcut => this.renderShortcut(shortcut))}</dl>
                </section>
            </div>
        </div>;
    }

    protected renderModels(): React.ReactNode {
        const { models, advice } = this.catalogue;
        return <React.Fragment>
            <h2>Models</h2>
            {advice
                ? <p role='status'>{advice} <button className='coditect-link' onClick={() => this.catalogue.refresh(true)}>Look again</button></p>
                : <p>{models.length === 1 ? models[0].name : `${models.length} models`} ready for the chat.</p>}
        </React.Fragment>;
    }

    protected renderShortcut({ command, label }: Omit<Action, 'icon'>): React.ReactNode {
        const [binding] = this.keybindings.getKeybindingsForCommand(command);
        if (!binding) {
            return undefined;
        }
        return <React.Fragment key={command}>
            <dt>{label}</dt>
            <dd>{this.keybindings.acceleratorFor(binding, '+').map(keys => <kbd key={keys}>{keys}</kbd>)}</dd>
        </React.Fragment>;
    }

    protected run(command: string): void {
        this.commands.executeCommand(command).catch(error => console.error(error));
    }
}
