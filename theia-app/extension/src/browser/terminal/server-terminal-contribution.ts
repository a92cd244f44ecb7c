import { Command, CommandRegistry, ILogger, MenuModelRegistry, MenuPath, URI } from '@theia/core';
import { ApplicationShell, codicon } from '@theia/core/lib/browser';
import { TabBarToolbarRegistry } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { inject, injectable, named } from '@theia/core/shared/inversify';
import { TerminalWidget } from '@theia/terminal/lib/browser/base/terminal-widget';
import { ShellTerminalProfile } from '@theia/terminal/lib/browser/shell-terminal-profile';
import { TerminalCommands, TerminalFrontendContribution } from '@theia/terminal/lib/browser/terminal-frontend-contribution';
import { TerminalProfile } from '@theia/terminal/lib/browser/terminal-profile-service';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { TerminalProfileInfo } from '../shell/shell-types';
import { ShellTerminalServer } from './shell-terminal-server';

/** What is beside the plus of the terminals. */
export const NEW_TERMINAL_MENU: MenuPath = ['coditect-new-terminal'];

/** Theia's terminals with the programs that the server offers. New ones start where the last one is. */
@injectable()
export class ServerTerminalContribution extends TerminalFrontendContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;
    @inject(CommandRegistry) protected readonly commands: CommandRegistry;
    @inject(MenuModelRegistry) protected readonly menus: MenuModelRegistry;
    @inject(ILogger) @named('coditect:terminal') protected readonly logger: ILogger;

    protected profilesKnown: Promise<void> = Promise.resolve();

    /** No hidden terminal comes with a new workspace: it would cost the server a process that nobody asked for. */
    override async initializeLayout(): Promise<void> { }

    override async contributeDefaultProfiles(): Promise<void> {
        this.profilesKnown = this.terminals.profiles().then(
            profiles => profiles.forEach((profile, index) => this.contribute(profile, String(index).padStart(3, '0'))),
            error => this.logger.warn(`The profiles of terminals are not known. ${ShellProblem.describe(error)}`)
        );
        await this.profilesKnown;
    }

    protected contribute({ name, program, args }: TerminalProfileInfo, order: string): void {
        const options = { shellPath: program, ...(args.length > 0 && { shellArgs: args }) };
        this.contributedProfileStore.registerTerminalProfile(name, new ShellTerminalProfile(this, options));
        const command: Command = { id: `coditect.terminal.new.${name}`, category: TerminalCommands.TERMINAL_CATEGORY, label: `New Terminal: ${name}` };
        this.commands.registerCommand(command, { execute: () => this.openTerminal(this.besideLast(), this.profileService.getProfile(name)) });
        this.menus.registerMenuAction([...NEW_TERMINAL_MENU, '1_profiles'], { commandId: command.id, label: name, order });
    }

    /** The server says at the start whether there is such a program: the page does not see the folders of programs. */
    protected override async resolveShellPath(path: string | string[] | undefined): Promise<string | undefined> {
        const known = (await this.terminals.profiles().catch((): TerminalProfileInfo[] => [])).map(({ program }) => program);
        const paths: string[] = [];
        for (const candidate of typeof path === 'string' ? [path] : path ?? []) {
            paths.push(await this.variableResolver.resolve(candidate) ?? '');
        }
        const named = paths.filter(candidate => candidate.length > 0 && !candidate.includes('${'));
        return named.find(candidate => known.includes(candidate)) ?? named[0];
    }

    /** Theia splits from the tool bar only. */
    override registerCommands(commands: CommandRegistry): void {
        super.registerCommands(commands);
        const toSplit = (widget?: unknown): TerminalWidget | undefined =>
            widget instanceof TerminalWidget ? widget : widget === undefined ? this.currentTerminal : undefined;
        commands.registerHandler(TerminalCommands.SPLIT.id, {
            isEnabled: widget => !!toSplit(widget),
            isVisible: widget => !!toSplit(widget),
            execute: widget => this.splitTerminal(toSplit(widget))
        });
    }

    /** Theia forgets one that is closed only where it was in front. */
    protected override setCurrentTerminal(current: TerminalWidget | undefined): void {
        const isNew = current !== this._currentTerminal;
        super.setCurrentTerminal(current);
        if (isNew) {
            current?.onDidDispose(() => {
                if (this._currentTerminal === current) {
                    super.setCurrentTerminal(undefined);
                }
            });
        }
    }

    protected override async openTerminal(options?: ApplicationShell.WidgetOptions, terminalProfile?: TerminalProfile): Promise<void> {
        await this.profilesKnown;
        // Without any the server takes the person's own shell.
        const profile = terminalProfile ?? this.profileService.defaultProfile ?? new ShellTerminalProfile(this, {});
        await this.startTerminal(profile, await this.folderOf(options?.ref), options);
    }

    protected async startTerminal(profile: TerminalProfile, folder: URI, options?: ApplicationShell.WidgetOptions): Promise<TerminalWidget> {
        const widget = await (profile instanceof ShellTerminalProfile ? profile.modify({ cwd: folder.toString() }) : profile).start();
        await this.open(widget, { widgetOptions: options });
        return widget;
    }

    protected override async openActiveWorkspaceTerminal(options?: ApplicationShell.WidgetOptions): Promise<void> {
        await this.openTerminal(options ?? this.besideLast());
    }

    override async openInTerminal(uri: URI): Promise<void> {
        const stat = await this.fileService.resolve(uri).catch(() => undefined);
        if (stat) {
            await this.profilesKnown;
            const profile = this.profileService.defaultProfile ?? new ShellTerminalProfile(this, {});
            await this.startTerminal(profile, stat.isDirectory ? uri : uri.parent, this.besideLast());
        }
    }

    protected besideLast(): ApplicationShell.WidgetOptions | undefined {
        const ref = this.lastUsedTerminal;
        return ref?.isAttached ? { ref, mode: 'tab-after' } : undefined;
    }

    /** Where a terminal's shell is, if the workspace has that folder; else the workspace's own. */
    protected async folderOf(terminal: unknown): Promise<URI> {
        const root = this.host.rootUri;
        const folder = terminal instanceof TerminalWidget ? await this.terminals.getCwdURI(terminal.terminalId) : undefined;
        const uri = folder === undefined ? root : new URI(folder);
        const isThere = root.isEqualOrParent(uri) && await this.fileService.exists(uri).catch(() => false);
        return isThere ? uri : root;
    }

    /** The plus gets its choice of programs. */
    override registerToolbarItems(toolbar: TabBarToolbarRegistry): void {
        toolbar.registerItem({
            id: TerminalCommands.NEW.id,
            command: TerminalCommands.NEW.id,
            menuPath: NEW_TERMINAL_MENU,
            icon: codicon('add'),
            tooltip: TerminalCommands.NEW.label,
            isVisible: widget => widget instanceof TerminalWidget
        });
        toolbar.registerItem({
            id: TerminalCommands.SPLIT.id,
            command: TerminalCommands.SPLIT.id,
            icon: codicon('split-horizontal'),
            tooltip: TerminalCommands.SPLIT.label
        });
    }
}
