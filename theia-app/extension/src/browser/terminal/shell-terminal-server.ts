import { Event, ILogger, RpcProxy, URI } from '@theia/core';
import { inject, injectable, named, postConstruct } from '@theia/core/shared/inversify';
import { IBaseTerminalClient, TerminalExitReason, TerminalProcessInfo } from '@theia/terminal/lib/common/base-terminal-protocol';
import { IShellTerminalServer, IShellTerminalServerOptions } from '@theia/terminal/lib/common/shell-terminal-protocol';
import { TerminalWatcher } from '@theia/terminal/lib/common/terminal-watcher';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { TerminalExit, TerminalInfo, TerminalProfileInfo } from '../shell/shell-types';
import { AnswerFilter } from './terminal-answers';
import { TerminalChannel } from './terminal-channel';
import { TerminalDrawn } from './terminal-drawn';
import { plainPath, toIdePath } from './terminal-paths';

/** What Theia takes for "there is no such terminal". */
export const NO_TERMINAL = -1;

/**
 * How many bytes of output may wait to be drawn. Enough for what is drawn between two frames: waiting for each piece would cost a frame.
 * What waits also delays the answer to Ctrl+C.
 */
const MAX_UNDRAWN_BYTES = 256 * 1024;

/** After each command bash says which folder it is in (OSC 7). Other shells do so by themselves, or do not know how to. */
const TELL_FOLDER = String.raw`printf '\033]7;file://%s%s\033\\' "$HOSTNAME" "` + '${PWD//\\%/%25}"';

type EnvironmentDescriptions = Awaited<ReturnType<IShellTerminalServer['getEnvVarCollectionDescriptionsByExtension']>>;

/** A terminal that this page shows. */
interface Shown {
    readonly info: TerminalInfo;
    /** Where its shell is, as far as it tells. */
    folder: URI;
    readonly answers?: AnswerFilter;
    channel?: TerminalChannel;
    /** Set while its output comes. */
    following?: AbortController;
    /** It runs, but its output ended with the connection. */
    cutOff: boolean;
    /** How many bytes of its output were shown. */
    bytes: number;
    /** How many of them are still to be drawn. */
    undrawn: number;
    exit?: TerminalExit;
}

/**
 * Terminals of the workspace. They live on the server and outlast the page, and the server too; Theia knows those that the page shows by
 * numbers that are good until the next reload.
 */
@injectable()
export class ShellTerminalServer implements RpcProxy<IShellTerminalServer> {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(TerminalDrawn) protected readonly drawn: TerminalDrawn;
    @inject(TerminalWatcher) protected readonly watcher: TerminalWatcher;
    @inject(ILogger) @named('coditect:terminal') protected readonly logger: ILogger;

    /** The connection never ends for Theia: the shell resumes it by itself and loses nothing. */
    readonly onDidOpenConnection: Event<void> = Event.None;
    readonly onDidCloseConnection: Event<void> = Event.None;

    protected readonly shown = new Map<number, Shown>();
    protected lastNumber = 0;
    protected profileList: Promise<TerminalProfileInfo[]> | undefined;

    @postConstruct()
    protected init(): void {
        let online = this.host.status.connection === 'online';
        this.host.onStatus(({ connection }) => {
            const before = online;
            online = connection === 'online';
            if (online && !before) {
                this.rejoin();
            }
        });
    }

    /** The programs that terminals can be started with; the server's default is the first. */
    profiles(): Promise<TerminalProfileInfo[]> {
        this.profileList ??= this.host.shell.listTerminalProfiles().catch(error => {
            this.profileList = undefined;
            throw error;
        });
        return this.profileList;
    }

    /** The person's terminals in this workspace, in whatever page they were started, also those whose program has ended. */
    async list(): Promise<TerminalInfo[]> {
        return (await this.host.shell.listTerminals()).sort((one, other) => one.number - other.number);
    }

    /** Whether this page shows the terminal. */
    shows(terminal: string): boolean {
        return [...this.shown.values()].some(({ info }) => info.id === terminal);
    }

    info(id: number): TerminalInfo | undefined {
        return this.shown.get(id)?.info;
    }

    /** How a terminal's program ended, once it has. */
    exit(id: number): TerminalExit | undefined {
        return this.shown.get(id)?.exit;
    }

    async create(options: IShellTerminalServerOptions): Promise<number> {
        const folder = options.rootURI ? new URI(options.rootURI) : this.host.rootUri;
        const program = options.shell ?? '';
        const args = toArguments(options.args);
        const profile = await this.profileOf(program, args);
        const env = Object.entries(options.env ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
        const info = await this.host.shell.createTerminal({
            cols: options.cols ?? 0,
            rows: options.rows ?? 0,
            folder: folder.path.toString(),
            profile: profile?.name ?? '',
            program: profile ? '' : program,
            args,
            env: [['PROMPT_COMMAND', TELL_FOLDER], ...env],
            title: ''
        });
        return this.show({ info, folder, cutOff: false, bytes: 0, undrawn: 0 });
    }

    /** The profile that starts this program, so that the server can name it in lists. */
    protected async profileOf(program: string, args: readonly string[]): Promise<TerminalProfileInfo | undefined> {
        const profiles = program ? await this.profiles().catch((): TerminalProfileInfo[] => []) : [];
        return profiles.find(profile => profile.program === program && String(profile.args) === String(args));
    }

    /** Finds a terminal of before a reload or of another page; {@link NO_TERMINAL} where it is gone. */
    async resume(terminal: string): Promise<number> {
        const info = (await this.host.shell.listTerminals()).find(({ id }) => id === terminal);
        return info ? this.show({ info, folder: this.host.rootUri, answers: new AnswerFilter(), cutOff: false, bytes: 0, undrawn: 0 }) : NO_TERMINAL;
    }

    protected show(shown: Shown): number {
        const id = ++this.lastNumber;
        this.shown.set(id, shown);
        return id;
    }

    /** Theia's own way to resume, by numbers that do not outlast the page. */
    async attach(id: number): Promise<number> {
        return this.shown.has(id) ? id : NO_TERMINAL;
    }

    async onAttachAttempted(): Promise<void> { }

    /** Joins the widget to the terminal's data: first all output that the server kept, then what comes. */
    connect(id: number, channel: TerminalChannel): void {
        const shown = this.shown.get(id);
        if (!shown) {
            channel.end('There is no such terminal.');
            return;
        }
        shown.channel = channel;
        const encoder = new TextEncoder();
        let told = false;
        channel.onInput(text => {
            if (shown.answers && !shown.answers.passes(text)) {
                return;
            }
            this.host.shell.writeTerminal(shown.info.id, encoder.encode(text)).then(
                () => told = false,
                error => {
                    // Once until it works again: a person who types does not want it for each key. Of its end it is told anyway.
                    if (!told && !ShellProblem.hasKind(error, 'not_found') && !shown.exit) {
                        channel.notice(`What you typed did not arrive. ${ShellProblem.describe(error)}`);
                    }
                    told = true;
                }
            );
        });
        this.follow(id, shown, channel);
    }

    /** Shows the output from where it was. */
    protected follow(id: number, shown: Shown, channel: TerminalChannel): void {
        shown.following?.abort();
        const following = new AbortController();
        shown.following = following;
        shown.cutOff = false;
        const onOutput = (bytes: Uint8Array, at: number): Promise<void> | void => this.output(id, shown, channel, bytes, at);
        this.host.shell.attachTerminal(shown.info.id, shown.bytes, onOutput, following.signal).then(
            exit => this.exited(id, shown, channel, exit),
            error => {
                if (!following.signal.aborted) {
                    this.lost(id, shown, channel, error);
                }
            }
        );
    }

    /** Hands output to the terminal. What is answered is waited for, so that a program cannot outrun the page. */
    protected output(id: number, shown: Shown, channel: TerminalChannel, bytes: Uint8Array, at: number): Promise<void> | void {
        if (shown.bytes > 0 && at > shown.bytes) {
            channel.notice(`${at - shown.bytes} bytes of output are left out here: they came faster than this page could show them.`);
        }
        shown.bytes = at + bytes.length;
        shown.undrawn += bytes.length;
        channel.output(bytes);
        const drawn = this.drawn(id).then(() => {
            shown.undrawn -= bytes.length;
        });
        return shown.undrawn > MAX_UNDRAWN_BYTES ? drawn : undefined;
    }

    /** The connection ended for good and came back, for instance with a new login: the output goes on where it was. */
    protected rejoin(): void {
        for (const [id, shown] of this.shown) {
            if (shown.cutOff && shown.channel) {
                this.follow(id, shown, shown.channel);
            }
        }
    }

    async resize(id: number, cols: number, rows: number): Promise<void> {
        const shown = this.shown.get(id);
        if (shown && !shown.exit) {
            await this.tell(this.host.shell.resizeTerminal(shown.info.id, cols, rows));
        }
    }

    /** Keeps the title that a person gave, for other pages and later ones. */
    async rename(id: number, title: string): Promise<void> {
        const shown = this.shown.get(id);
        if (shown) {
            await this.tell(this.host.shell.renameTerminal(shown.info.id, title));
        }
    }

    /** Ends the terminal's program, if it runs, and forgets the terminal. */
    async close(id: number): Promise<void> {
        const shown = this.shown.get(id);
        if (shown) {
            shown.following?.abort();
            this.shown.delete(id);
            await this.discard(shown.info.id);
        }
    }

    /** The same for a terminal that this page may not show. */
    async discard(terminal: string): Promise<void> {
        await this.tell(this.host.shell.closeTerminal(terminal));
    }

    async getProcessId(id: number): Promise<number> {
        return this.get(id).info.pid;
    }

    async getProcessInfo(id: number): Promise<TerminalProcessInfo> {
        const { program, args } = this.get(id).info;
        return { executable: program, arguments: args };
    }

    async getCwdURI(id: number): Promise<string> {
        return (this.shown.get(id)?.folder ?? this.host.rootUri).toString();
    }

    /** The shell says where it is, by a path as programs see it. */
    moved(id: number, path: string): void {
        const shown = this.shown.get(id);
        const uri = shown && this.toUri(id, path);
        if (uri) {
            shown.folder = uri;
        }
    }

    /** A path of the terminal's programs as an address in the IDE; nothing for what the IDE does not show. */
    toUri(id: number, path: string): URI | undefined {
        const { workspace_folder: workspace, home_folder: home } = this.get(id).info;
        const full = path === '~' || path.startsWith('~/') ? home + path.slice(1) : path;
        const ide = { workspace: plainPath(this.host.rootUri.path.toString()), home: plainPath(this.host.homeUri.path.toString()) };
        const there = toIdePath(full, { workspace, home }, ide);
        return there === undefined ? undefined : fileUri(there);
    }

    /** Empty: the server takes the person's own shell. */
    async getDefaultShell(): Promise<string> {
        return '';
    }

    /** Not known; closing a terminal does not ask. */
    async hasChildProcesses(): Promise<boolean> {
        return false;
    }

    /** Only extensions of VS Code change the environment of terminals. */
    async getEnvVarCollectionDescriptionsByExtension(): Promise<EnvironmentDescriptions> {
        return new Map();
    }

    async getEnvVarCollections(): ReturnType<IShellTerminalServer['getEnvVarCollections']> {
        return [];
    }

    restorePersisted(): void { }
    setCollection(): void { }
    deleteCollection(): void { }
    setClient(): void { }

    getClient(): IBaseTerminalClient {
        return this.client;
    }

    dispose(): void {
        this.shown.forEach(({ following }) => following?.abort());
    }

    protected get client(): IBaseTerminalClient {
        return this.watcher.getTerminalClient();
    }

    protected get(id: number): Shown {
        const shown = this.shown.get(id);
        if (!shown) {
            throw new Error(`There is no terminal ${id}.`);
        }
        return shown;
    }

    protected exited(id: number, shown: Shown, channel: TerminalChannel, exit: TerminalExit): void {
        shown.following = undefined;
        shown.exit = exit;
        channel.end('The program ended.');
        this.client.onTerminalExitChanged({
            terminalId: id,
            code: exit.code ?? undefined,
            signal: typeof exit.signal === 'number' ? String(exit.signal) : undefined,
            reason: TerminalExitReason.Process,
            attached: false
        });
    }

    /** Either the terminal is gone, with what ran it, or only its output is. */
    protected lost(id: number, shown: Shown, channel: TerminalChannel, error: unknown): void {
        if (ShellProblem.hasKind(error, 'not_found')) {
            this.exited(id, shown, channel, { code: undefined, signal: undefined, cause: 'host_lost' });
            return;
        }
        shown.following = undefined;
        shown.cutOff = true;
        channel.notice(`No output until the connection is back. ${ShellProblem.describe(error)}`);
    }

    /** For what Theia does not wait for: a terminal that is gone already is no fault. */
    protected async tell(call: Promise<void>): Promise<void> {
        try {
            await call;
        } catch (error) {
            if (!ShellProblem.hasKind(error, 'not_found')) {
                this.logger.warn(ShellProblem.describe(error));
            }
        }
    }
}

function toArguments(args: string[] | string | undefined): string[] {
    return typeof args === 'string' ? args.split(/\s+/).filter(part => part.length > 0) : args ?? [];
}
