import { Disposable, DisposableCollection, PreferenceService, URI } from '@theia/core';
import { codicon, Message, open, OpenerService } from '@theia/core/lib/browser';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import { TerminalWidgetImpl } from '@theia/terminal/lib/browser/terminal-widget-impl';
import { ShellProblem } from '../shell/shell-problem';
import { EndBar } from './end-bar';
import { NO_TERMINAL, ShellTerminalServer } from './shell-terminal-server';
import { TerminalEnd } from './terminal-end';
import { toldFolder } from './terminal-paths';
import { CLOSE_ON_EXIT } from './terminal-preferences';

/** The escape sequence by which a shell tells its folder. */
const OSC_FOLDER = 7;
/** Most that is kept of what is typed before there is a program to read it, in characters. */
const MAX_TYPED_AHEAD_CHARS = 4096;
/** What the terminal gives for the keys that the line about the end names. */
const ENTER = '\r';
const CTRL_D = '\x04';

/** What is kept of a terminal over a reload. */
interface State {
    readonly terminal?: string;
    /** It was asked for, and the server had not answered yet. */
    readonly starting?: boolean;
    readonly titleLabel?: string;
    readonly hasUserTitle?: boolean;
    readonly shellName?: string;
}

/**
 * A terminal that lives on the server. It is found again after a reload, stays readable when its program has ended, and can be started
 * anew in its place.
 */
@injectable()
export class ServerTerminalWidget extends TerminalWidgetImpl {

    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;
    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(PreferenceService) protected readonly settings: PreferenceService;

    protected end: TerminalEnd | undefined;
    protected endBar: EndBar | undefined;
    protected readonly toDisposeOnStart = new DisposableCollection();
    /** What the title was before the end. */
    protected name: string;
    /** What was typed while the program was being started. */
    protected typedAhead = '';
    /** The program rang while nobody looked. */
    protected rang = false;

    @postConstruct()
    protected override init(): void {
        // That is done here, below.
        this.options = { ...this.options, destroyTermOnClose: false };
        super.init();
        this.toDispose.push(this.term.parser.registerOscHandler(OSC_FOLDER, address => this.onFolder(address)));
        this.toDispose.push(this.term.onBell(() => this.onBell()));
        this.toDispose.push(this.term.onData(text => this.typeAhead(text)));
        this.term.options.linkHandler = {
            activate: (event, address) => this.onLink(event, address),
            // A link's text may say something else than where it leads.
            hover: (event, address) => this.showLinkHover(() => this.followLink(address), event.clientX, event.clientY, address),
            leave: () => this.hideLinkHover(),
            allowNonHttpProtocols: true
        };
    }

    /** Whether its program has ended, or never began. */
    get isEnded(): boolean {
        return this.end !== undefined;
    }

    /** The title without what is said of the end. */
    get plainTitle(): string {
        return this.end ? this.name : this.title.label;
    }

    /** Starts a new program, or goes on with one that this page knows by the number. */
    override async start(id?: number): Promise<number> {
        try {
            const terminal = id ?? await this.createTerminal();
            if (this.isDisposed) {
                // It was closed while it was being started.
                await this.terminals.close(terminal);
                return NO_TERMINAL;
            }
            this._terminalId = terminal;
            this.showEnd(undefined);
            if (id === undefined && this.hasUserTitle) {
                this.terminals.rename(terminal, this.name);
            }
            this.exitStatus = undefined;
            this.connectTerminalProcess();
            this.resizeTerminalProcess();
            if (this.typedAhead) {
                this.sendText(this.typedAhead);
                this.typedAhead = '';
            }
            this.onDidOpenEmitter.fire();
            return terminal;
        } catch (error) {
            if (!this.isDisposed) {
                this.showEnd(TerminalEnd.notStarted(ShellProblem.describe(error)));
                this.onDidOpenFailureEmitter.fire();
            }
            return NO_TERMINAL;
        }
    }

    /** Goes on with a terminal that the server has. */
    async resume(terminal: string): Promise<void> {
        let end = TerminalEnd.GONE;
        try {
            const id = await this.terminals.resume(terminal);
            if (id !== NO_TERMINAL && !this.isDisposed) {
                const info = this.terminals.info(id);
                if (info?.renamed) {
                    this.setTitle(info.title);
                }
                await this.start(id);
                return;
            }
        } catch (error) {
            end = TerminalEnd.notReached(ShellProblem.describe(error));
        }
        if (!this.isDisposed) {
            this.showEnd(end);
        }
    }

    /** Starts the same program anew, in the folder where the last one was. */
    async restart(): Promise<void> {
        const id = this.terminalId;
        this._terminalId = NO_TERMINAL;
        this.showEnd(undefined);
        if (id !== NO_TERMINAL) {
            this.options = { ...this.options, cwd: await this.terminals.getCwdURI(id) };
            await this.terminals.close(id);
        }
        await this.start();
    }

    override storeState(): object {
        const state = super.storeState();
        const terminal = this.terminals.info(this.terminalId)?.id;
        const starting = this.terminalId === NO_TERMINAL && !this.end;
        return this.transient ? state : { ...state, titleLabel: this.plainTitle, terminal, starting };
    }

    override restoreState(oldState: object): void {
        if (this.transient || this.options.isPseudoTerminal || this.restored) {
            super.restoreState(oldState);
            return;
        }
        const { terminal, starting, titleLabel, hasUserTitle, shellName }: State = oldState;
        this.restored = true;
        this.hasUserTitle = hasUserTitle ?? false;
        this._shellName = shellName;
        this.title.label = titleLabel ?? this.title.label;
        if (terminal) {
            this.resume(terminal);
        } else if (starting) {
            this.start();
        } else {
            this.showEnd(TerminalEnd.GONE);
        }
    }

    /** Gives it a name that the server keeps. */
    async rename(title: string): Promise<void> {
        this.setTitle(title);
        await this.terminals.rename(this.terminalId, title);
    }

    override setTitle(title: string): void {
        super.setTitle(title);
        this.name = title;
        this.updateTitle();
    }

    /** Also before it was shown for the first time: Theia would keep the output aside, without a limit. */
    override write(data: string): void {
        if (this.termOpened) {
            super.write(data);
        } else {
            this.term.write(data);
        }
    }

    override dispose(): void {
        if (this.isDisposed) {
            return;
        }
        if (this.closeOnDispose && this.exitStatus?.code) {
            // Theia leaves a program that failed to the server, which keeps it until it is told.
            this.shellTerminalServer.close(this.terminalId);
        }
        super.dispose();
        // What xterm.js has put off until the page is idle fails once its parts are gone: it has that done first.
        whenIdle(() => whenIdle(() => this.term.dispose()));
    }

    /** Where Theia would close a terminal whose program has ended. */
    protected override deferredFinalizeCommandHistory(): void {
        if (this.commandHistoryState?.currentCommand) {
            this.finishCurrentCommand();
        }
        const end = TerminalEnd.of(this.terminals.exit(this.terminalId) ?? { code: undefined, signal: undefined });
        if (!end.failed && this.settings.get(CLOSE_ON_EXIT) === 'success') {
            this.close();
        } else {
            this.showEnd(end);
        }
    }

    protected showEnd(end: TerminalEnd | undefined): void {
        this.toDisposeOnStart.dispose();
        this.toDispose.push(this.toDisposeOnStart);
        this.name = this.plainTitle;
        this.end = end;
        if (end) {
            this.typedAhead = '';
            const restart = () => {
                this.term.focus();
                this.restart();
            };
            const endBar = this.endBar = new EndBar(this.node, end, { restart, close: () => this.close() });
            this.toDisposeOnStart.push(endBar);
            this.toDisposeOnStart.push(Disposable.create(() => this.endBar = undefined));
            this.toDisposeOnStart.push(this.term.onData(key => {
                if (key === ENTER) {
                    restart();
                } else if (key === CTRL_D) {
                    this.close();
                }
            }));
        }
        this.updateTitle();
        this.needsResize = true;
        this.update();
    }

    /** A person need not wait for the server before they type. */
    protected typeAhead(text: string): void {
        if (this.terminalId === NO_TERMINAL && !this.end && !this.options.isPseudoTerminal) {
            this.typedAhead = (this.typedAhead + text).slice(0, MAX_TYPED_AHEAD_CHARS);
        }
    }

    protected updateTitle(): void {
        const { end, name } = this;
        this.title.label = end ? `${name} (${end.label})` : name;
        this.title.caption = end ? `${name}: ${end.text}` : name;
        this.setIconClass();
    }

    protected override setIconClass(): void {
        if (this.end) {
            this.title.iconClass = codicon(this.end.failed ? 'error' : 'pass');
        } else if (this.rang) {
            this.title.iconClass = codicon('bell-dot');
        } else {
            this.title.iconClass = codicon('terminal');
            super.setIconClass();
        }
    }

    /** What is said of the end must not cover the last lines. */
    protected override doResizeTerminal(): void {
        if (this.term.element) {
            this.term.element.style.paddingBottom = `${this.endBar?.height ?? 0}px`;
        }
        super.doResizeTerminal();
    }

    protected onFolder(address: string): boolean {
        const folder = toldFolder(address);
        if (folder !== undefined) {
            this.terminals.moved(this.terminalId, folder);
        }
        return true;
    }

    protected onBell(): void {
        if (!this.isVisible || document.hidden) {
            this.rang = true;
            this.setIconClass();
        }
    }

    protected override onAfterShow(msg: Message): void {
        super.onAfterShow(msg);
        this.rang = false;
        this.setIconClass();
    }

    protected onLink(event: MouseEvent, address: string): void {
        if (event.ctrlKey || event.metaKey) {
            this.followLink(address);
        } else {
            this.term.focus();
        }
    }

    /** Follows a link that the program wrote (OSC 8). Programs lead to web pages and files, and nowhere else. */
    protected async followLink(address: string): Promise<void> {
        this.hideLinkHover();
        const path = toldFolder(address);
        if (path !== undefined) {
            const uri = this.terminals.info(this.terminalId) && this.terminals.toUri(this.terminalId, path);
            if (uri) {
                await open(this.openers, uri);
            }
        } else if (/^https?:\/\//i.test(address)) {
            await open(this.openers, new URI(address));
        }
    }
}

function whenIdle(run: () => void): void {
    // Safari knows no idle time; xterm.js takes the next moment there.
    if (typeof requestIdleCallback === 'function') {
        requestAnimationFrame(() => requestIdleCallback(run));
    } else {
        setTimeout(run);
    }
}
