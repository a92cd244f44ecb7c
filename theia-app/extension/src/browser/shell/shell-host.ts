import { Emitter, URI } from '@theia/core';
import { injectable } from '@theia/core/shared/inversify';
import initShell, { Shell } from 'coditect-shell';
import wasmFile = require('coditect-shell/coditect_shell_bg.wasm');
import { fileUri } from './file-uri';
import type { SessionInfo, ShellStatus, WorkspaceInfo } from './shell-types';
import { ShellProblem } from './shell-problem';

/** Where the person's home is mounted in the IDE. */
const HOME_PATH = '/home/coditect';
/** Below which folder the workspace's own folder is mounted in the IDE. */
const WORKSPACE_MOUNT = '/workspace';

/**
 * Owner of the one Wasm shell of the page. It is started by the preload module, before any other part of the IDE is made;
 * so everyone who gets this injected may rely on a session and an open workspace.
 */
@injectable()
export class ShellHost {

    /** Root of the product (`login`, `dashboard`, `api`), one level above the IDE's own address. */
    readonly base = new URL('..', document.baseURI);

    protected started: Shell | undefined;
    protected who: SessionInfo | undefined;
    protected opened: WorkspaceInfo | undefined;
    protected readonly statusEmitter = new Emitter<ShellStatus>();
    readonly onStatus = this.statusEmitter.event;

    get shell(): Shell {
        return this.present(this.started);
    }

    get session(): SessionInfo {
        return this.status.session ?? this.present(this.who);
    }

    get workspace(): WorkspaceInfo {
        return this.status.workspace ?? this.present(this.opened);
    }

    /** Whether the person may only look at the open workspace. */
    get isReadOnly(): boolean {
        return this.workspace.role === 'read';
    }

    get status(): ShellStatus {
        return this.shell.status();
    }

    get rootUri(): URI {
        return fileUri(`${WORKSPACE_MOUNT}/${this.workspace.folder}`);
    }

    get homeUri(): URI {
        return fileUri(HOME_PATH);
    }

    /** Loads the shell and finds out who is here; `undefined` when nobody is logged in. */
    async start(): Promise<SessionInfo | undefined> {
        await initShell({ module_or_path: new URL(wasmFile, document.baseURI) });
        this.started = Shell.create(this.base.href);
        this.started.onStatus((status: ShellStatus) => this.statusEmitter.fire(status));
        try {
            this.who = await this.started.session();
        } catch (error) {
            if (!ShellProblem.hasKind(error, 'unauthenticated')) {
                throw error;
            }
        }
        return this.who;
    }

    /** Opens the connection to a workspace. */
    async open(workspaceId: string): Promise<void> {
        this.opened = await this.shell.connect(workspaceId) ?? await this.shell.getWorkspace(workspaceId);
    }

    /** Opens the connection again, after it was closed for good. */
    async reopen(): Promise<void> {
        await this.open(this.workspace.id);
    }

    /** The address of a page of the product outside the IDE. */
    pageUrl(name: 'dashboard' | 'login'): string {
        return new URL(name, this.base).href;
    }

    /** The address at which the IDE shows another workspace. */
    workspaceUrl(workspaceId: string): string {
        const url = new URL('.', document.baseURI);
        url.searchParams.set('workspace', workspaceId);
        return url.href;
    }

    /** The address of a file of the workspace, by its path below the root. */
    fileUrl(path: string): string {
        const segments = path.split('/').map(encodeURIComponent).join('/');
        return new URL(`api/v5/workspaces/${encodeURIComponent(this.workspace.id)}/files/${segments}`, this.base).href;
    }

    protected present<T>(value: T | undefined): T {
        if (value === undefined) {
            throw new Error('The shell is not started yet; only the preload module may run before it.');
        }
        return value;
    }
}
