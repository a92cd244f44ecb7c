import { Event, ILogger, RpcProxy, URI } from '@theia/core';
import { inject, injectable, named, postConstruct } from '@theia/core/shared/inversify';
import { IBaseTerminalClient, TerminalExitReason, TerminalProcessInfo } from '@theia/terminal/lib/common/base-terminal-protocol';
import { IShellTerminalServer, IShellTerminalServerOptions } from '@theia/terminal/lib/common/shell-terminal-protocol';
import { TerminalWatcher } from '@theia/terminal/lib/common/terminal-watcher';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { TerminalInfo } from '../shell/shell-types';
import { TerminalChannel } from './terminal-channel';
import { TerminalDrawn } from './terminal-drawn';

/** What Theia takes for "there is no such terminal". */
const NO_TERMINAL = -1;

type EnvironmentDescriptions = Awaited<ReturnType<IShellTerminalServer['getEnvVarCollectionDescriptionsByExtension']>>;

/**
 * Terminals of the workspace. They live on the server and outlast the page; Theia knows them by their number, which it keeps over a reload.
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

    protected readonly known = new Map<number, TerminalInfo>();
    protected readonly folders = new Map<number, string>();
    protected readonly attached = new Map<number, AbortController>();
    /** Terminals that run, but whose output ended with the connection. */
    protected readonly cutOff = new Map<number, TerminalChannel>();
    /** How many bytes of a terminal's output were shown. */
    protected readonly shown = new Map<number, number>();

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

    async create(options: IShellTerminalServerOptions): Promise<number> {
        const folder = options.rootURI ? new URI(options.rootURI) : this.host.rootUri;
        const info = await this.host.shell.createTerminal({
            cols: options.cols ?? 0,
            rows: options.rows ?? 0,
            folder: folder.path.toString(),
            program: options.shell ?? '',
            args: toArguments(options.args),
            env: Object.entries(options.env ?? {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
            title: ''
        });
        this.known.set(info.number, info);
        this.folders.set(info.number, folder.toString());
        return info.number;
    }

    /** Finds a terminal of before a reload. One that ended is of no use to a widget that wants to go on. */
    async attach(id: number): Promise<number> {
        const terminals = await this.host.shell.listTerminals();
        const info = terminals.find(candidate => candidate.number === id && !candidate.exit);
        if (!info) {
            return NO_TERMINAL;
        }
        this.known.set(id, info);
        return id;
    }

    async onAttachAttempted(): Promise<void> { }

    /** Joins the widget to the terminal's data: first all output that the server kept, then what comes. */
    connect(id: number, channel: TerminalChannel): void {
        const info = this.known.get(id);
        if (!info) {
            channel.end('There is no such terminal.');
            return;
        }
        let told = false;
        channel.onInput(bytes => this.host.shell.writeTerminal(info.id, bytes).then(
            () => told = false,
            error => {
                // Once until it works again: a person who types does not want it for each key.
                if (!told) {
                    channel.notice(`What you typed did not arrive. ${ShellProblem.describe(error)}`);
                }
                told = true;
            }
        ));
        this.join(id, info, channel, 0);
    }

    protected join(id: number, info: TerminalInfo, channel: TerminalChannel, from: number): void {
        this.attached.get(id)?.abort();
        const abort = new AbortController();
        this.attached.set(id, abort);
        this.host.shell.attachTerminal(info.id, from, (bytes: Uint8Array, at: number) => this.show(id, channel, bytes, at), abort.signal).then(
            exit => this.exited(id, channel, exit),
            error => {
                if (!abort.signal.aborted) {
                    this.lost(id, channel, error);
                }
            }
        );
    }

    /** Hands output to the terminal. Resolves once it is drawn, so that a program cannot outrun the page. */
    protected show(id: number, channel: TerminalChannel, bytes: Uint8Array, at: number): Promise<void> {
        this.shown.set(id, at + bytes.length);
        channel.output(bytes);
        return this.drawn(id);
    }

    /** The connection ended for good and came back, for instance with a new login: the output goes on where it was. */
    protected rejoin(): void {
        const cutOff = [...this.cutOff];
        this.cutOff.clear();
        for (const [id, channel] of cutOff) {
            const info = this.known.get(id);
            if (info) {
                this.join(id, info, channel, this.shown.get(id) ?? 0);
            }
        }
    }

    async resize(id: number, cols: number, rows: number): Promise<void> {
        await this.tell(id, info => this.host.shell.resizeTerminal(info.id, cols, rows));
    }

    async close(id: number): Promise<void> {
        this.attached.get(id)?.abort();
        this.attached.delete(id);
        this.cutOff.delete(id);
        this.shown.delete(id);
        await this.tell(id, info => this.host.shell.closeTerminal(info.id));
        this.known.delete(id);
        this.folders.delete(id);
    }

    async getProcessId(id: number): Promise<number> {
        return this.get(id).pid;
    }

    async getProcessInfo(id: number): Promise<TerminalProcessInfo> {
        const { program, args } = this.get(id);
        return { executable: program, arguments: args };
    }

    async getCwdURI(id: number): Promise<string> {
        return this.folders.get(id) ?? this.host.rootUri.toString();
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
        this.attached.forEach(abort => abort.abort());
    }

    protected get client(): IBaseTerminalClient {
        return this.watcher.getTerminalClient();
    }

    protected get(id: number): TerminalInfo {
        const info = this.known.get(id);
        if (!info) {
            throw new Error(`There is no terminal ${id}.`);
        }
        return info;
    }

    protected exited(id: number, channel: TerminalChannel, exit: NonNullable<TerminalInfo['exit']>): void {
        this.attached.delete(id);
        this.client.onTerminalExitChanged({
            terminalId: id,
            code: exit.code ?? undefined,
            signal: typeof exit.signal === 'number' ? String(exit.signal) : undefined,
            reason: TerminalExitReason.Process,
            attached: false
        });
        channel.end('The program ended.');
    }

    /** Either the terminal is gone, for instance because its server was started anew, or only its output is. */
    protected lost(id: number, channel: TerminalChannel, error: unknown): void {
        this.attached.delete(id);
        if (!ShellProblem.hasKind(error, 'not_found')) {
            this.cutOff.set(id, channel);
            channel.notice(`No output until the connection is back. ${ShellProblem.describe(error)}`);
            return;
        }
        this.known.delete(id);
        channel.notice(`This terminal is not running any more. ${ShellProblem.describe(error)} Open a new one with Ctrl+Shift+\`.`);
        channel.end('lost');
    }

    /** For what Theia does not wait for: a terminal that is gone already is no fault. */
    protected async tell(id: number, call: (info: TerminalInfo) => Promise<void>): Promise<void> {
        const info = this.known.get(id);
        if (!info) {
            return;
        }
        try {
            await call(info);
        } catch (error) {
            this.logger.warn(ShellProblem.describe(error));
        }
    }
}

function toArguments(args: string[] | string | undefined): string[] {
    return typeof args === 'string' ? args.split(/\s+/).filter(part => part.length > 0) : args ?? [];
}
