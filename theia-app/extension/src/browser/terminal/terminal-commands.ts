import { Command, CommandContribution, CommandRegistry, MenuContribution, MenuModelRegistry, MessageService, QuickInputService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EDITOR_CONTEXT_MENU, EditorManager } from '@theia/editor/lib/browser';
import { TerminalService } from '@theia/terminal/lib/browser/base/terminal-service';
import { TerminalWidget } from '@theia/terminal/lib/browser/base/terminal-widget';
import { TerminalCommands as Theia, TerminalMenus } from '@theia/terminal/lib/browser/terminal-frontend-contribution';
import type { TerminalInfo } from '../shell/shell-types';
import { NEW_TERMINAL_MENU } from './server-terminal-contribution';
import { ServerTerminalWidget } from './server-terminal-widget';
import { NO_TERMINAL, ShellTerminalServer } from './shell-terminal-server';
import { TerminalEnd } from './terminal-end';

const category = Theia.TERMINAL_CATEGORY;

export namespace TerminalCommands {
    export const ATTACH: Command = { id: 'coditect.terminal.attach', category, label: 'Attach to Running Terminal…' };
    export const RENAME: Command = { id: 'coditect.terminal.rename', category, label: 'Rename…' };
    export const RESTART: Command = { id: 'coditect.terminal.restart', category, label: 'Restart Ended Program' };
    export const CLOSE_ENDED: Command = { id: 'coditect.terminal.closeEnded', category, label: 'Close All Ended Terminals' };
    export const RUN_SELECTION: Command = { id: 'coditect.terminal.runSelection', category, label: 'Run Selected Text in Terminal' };
}

/** What terminals offer beyond Theia. */
@injectable()
export class TerminalCommandContribution implements CommandContribution, MenuContribution {

    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;
    @inject(TerminalService) protected readonly service: TerminalService;
    @inject(QuickInputService) protected readonly quickInput: QuickInputService;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(CommandRegistry) protected readonly registry: CommandRegistry;

    registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(TerminalCommands.ATTACH, { execute: () => this.attach() });
        commands.registerCommand(TerminalCommands.RENAME, { isEnabled: () => !!this.current, execute: () => this.rename() });
        commands.registerCommand(TerminalCommands.RESTART, { isEnabled: () => !!this.current?.isEnded, execute: () => this.current?.restart() });
        commands.registerCommand(TerminalCommands.CLOSE_ENDED, {
            isEnabled: () => this.ended.length > 0,
            execute: () => this.ended.forEach(terminal => terminal.close())
        });
        commands.registerCommand(TerminalCommands.RUN_SELECTION, {
            isEnabled: () => !!this.editors.currentEditor,
            execute: () => this.runSelection()
        });
    }

    registerMenus(menus: MenuModelRegistry): void {
        menus.registerMenuAction([...NEW_TERMINAL_MENU, '2_more'], { commandId: Theia.PROFILE_DEFAULT.id, label: 'Choose Default Profile…', order: '1' });
        menus.registerMenuAction([...NEW_TERMINAL_MENU, '2_more'], { commandId: TerminalCommands.ATTACH.id, order: '2' });
        menus.registerMenuAction(TerminalMenus.TERMINAL_NEW, { commandId: TerminalCommands.ATTACH.id, order: '4' });
        menus.registerMenuAction(TerminalMenus.TERMINAL_NEW, { commandId: TerminalCommands.RUN_SELECTION.id, order: '5' });
        menus.registerMenuAction([...EDITOR_CONTEXT_MENU, 'z_terminal'], { commandId: TerminalCommands.RUN_SELECTION.id });
        for (const [index, { id }] of [TerminalCommands.RENAME, TerminalCommands.RESTART, TerminalCommands.CLOSE_ENDED].entries()) {
            menus.registerMenuAction([...TerminalMenus.TERMINAL_CONTEXT_MENU, '_3a'], { commandId: id, order: String(index) });
        }
    }

    protected get all(): ServerTerminalWidget[] {
        return this.service.all.filter(terminal => terminal instanceof ServerTerminalWidget);
    }

    protected get ended(): ServerTerminalWidget[] {
        return this.all.filter(terminal => terminal.isEnded);
    }

    protected get current(): ServerTerminalWidget | undefined {
        const { currentTerminal } = this.service;
        return currentTerminal instanceof ServerTerminalWidget ? currentTerminal : undefined;
    }

    /** Offers what the person has running that this page does not show, for instance from another computer. */
    protected async attach(): Promise<void> {
        const elsewhere = (await this.terminals.list()).filter(({ id }) => !this.terminals.shows(id));
        if (elsewhere.length === 0) {
            this.messages.info('All your terminals in this workspace are shown in this page.');
            return;
        }
        const chosen = await this.quickInput.showQuickPick(elsewhere.map(info => ({
            label: `${info.number}: ${info.title || info.program}`,
            description: describe(info),
            info
        })), { placeholder: 'Which terminal to show here, too' });
        if (chosen) {
            await this.show(chosen.info);
        }
    }

    protected async show({ id, title, program, args }: TerminalInfo): Promise<void> {
        const widget = await this.service.newTerminal({ title: title || program, shellPath: program, shellArgs: args });
        if (widget instanceof ServerTerminalWidget) {
            await widget.resume(id);
        }
        await this.service.open(widget);
    }

    protected async rename(): Promise<void> {
        const terminal = this.current;
        const name = await this.quickInput.input({ prompt: 'Name of the terminal', value: terminal?.plainTitle });
        if (terminal && name?.trim()) {
            await terminal.rename(name.trim());
        }
    }

    /** Types the selected text, or the line of the cursor, into the last terminal. */
    protected async runSelection(): Promise<void> {
        const editor = this.editors.currentEditor?.editor;
        if (!editor) {
            return;
        }
        const { selection, cursor, document } = editor;
        const selected = document.getText(selection);
        const text = (selected || document.getLineContent(cursor.line + 1)).replace(/\r?\n$/, '');
        const terminal = await this.running();
        terminal?.paste(text);
        terminal?.sendText('\r');
    }

    /** The last terminal whose program runs; a new one where there is none. */
    protected async running(): Promise<TerminalWidget | undefined> {
        const runs = (terminal: TerminalWidget | undefined): terminal is ServerTerminalWidget => terminal instanceof ServerTerminalWidget && !terminal.isEnded;
        const last = [this.service.currentTerminal, this.service.lastUsedTerminal, ...this.all].find(runs);
        if (last) {
            await this.service.open(last, { mode: 'reveal' });
            return last;
        }
        await this.registry.executeCommand(Theia.NEW.id);
        const created = [this.service.lastUsedTerminal, ...this.all].find(runs);
        if (created && created.terminalId === NO_TERMINAL) {
            await new Promise<void>(resolve => {
                created.onDidOpen(resolve);
                created.onDidOpenFailure(resolve);
            });
        }
        return created;
    }
}

function describe({ exit, started_at: startedAt, profile, title }: TerminalInfo): string {
    const state = exit ? TerminalEnd.of(exit).label : 'runs';
    const parts = [profile === title ? '' : profile, state, `started ${new Date(Number(startedAt)).toLocaleString()}`];
    return parts.filter(part => part.length > 0).join(', ');
}
