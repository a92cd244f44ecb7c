import { Disposable, DisposableCollection, Emitter, URI } from '@theia/core';
import { ShellHost } from '../shell/shell-host';
import { CoalescingTask } from './coalescing-task';
import { meaningOf } from './git-changes';
import { GitClient } from './git-client';
import type { GitReply, GitRequest, GitState, ReplyName, ReplyOf } from './git-types';
import { GitRef, isFixed, toVersion } from './git-uri';

/** How long files must be left alone before their state is asked for, in milliseconds. */
const REFRESH_QUIET_MS = 250;
/** Longest that this is put off, in milliseconds. */
const REFRESH_LONGEST_MS = 2000;
/** Most contents of other versions that are kept, and the largest that is, in bytes: the gutter asks at every pause in typing. */
const MAX_KEPT_CONTENTS = 64;
const MAX_KEPT_BYTES = 1024 * 1024;

/** What changed in a repository. */
export interface GitChangeEvent {
    /** What is staged, or a branch, may be another. */
    readonly versions: boolean;
}

/** One repository: its state as last seen, and the way to ask it. */
export class GitRepository implements Disposable {

    /** Absolute path of its work tree's folder. */
    readonly path: string;
    protected current: GitState | undefined;
    protected readonly contents = new Map<string, Promise<Uint8Array | undefined>>();
    protected readonly toDispose = new DisposableCollection();
    protected readonly changeEmitter = new Emitter<GitChangeEvent>();
    readonly onDidChange = this.changeEmitter.event;
    protected readonly failEmitter = new Emitter<unknown>();
    /** Its state could not be loaded. */
    readonly onDidFail = this.failEmitter.event;
    /** Versions other than commits may have changed since the state was last asked for. */
    protected versionsChanged = true;
    protected readonly refreshing = new CoalescingTask(() => this.load(), REFRESH_QUIET_MS, REFRESH_LONGEST_MS);

    constructor(
        readonly uri: URI,
        protected readonly host: ShellHost,
        protected readonly client: GitClient
    ) {
        this.path = uri.path.toString();
        this.toDispose.pushAll([this.changeEmitter, this.failEmitter, Disposable.create(() => this.refreshing.cancel())]);
    }

    dispose(): void {
        this.toDispose.dispose();
        this.contents.clear();
    }

    /** `undefined` until it was first asked for. */
    get state(): GitState | undefined {
        return this.current;
    }

    get name(): string {
        return this.uri.path.base;
    }

    /** The address of a path below it. */
    fileUri(path: string): URI {
        return this.uri.resolve(path);
    }

    /** The path of a file below it. Its own folder is the empty path. */
    relative(uri: URI): string {
        return uri.path.toString().slice(this.path.length + 1);
    }

    /** Something below its folder changed. */
    noteChange(path: string): void {
        const meaning = meaningOf(path);
        if (meaning === 'nothing') {
            return;
        }
        if (meaning !== 'file') {
            this.forgetVersions();
        }
        this.refreshing.soon();
    }

    /** Nobody knows what changed. */
    noteGap(): void {
        this.forgetVersions();
        this.refreshing.soon();
    }

    async refresh(): Promise<void> {
        this.forgetVersions();
        await this.refreshing.now();
    }

    ask<N extends ReplyName>(request: GitRequest, name: N, signal?: AbortSignal): Promise<ReplyOf<N>> {
        return this.client.ask(this.path, request, name, signal);
    }

    /** Runs what a person started, and looks at the state again whatever came of it. */
    async run(title: string, request: GitRequest): Promise<GitReply> {
        try {
            return await this.client.run(this.path, title, request);
        } finally {
            // A failure to load it is told by `onDidFail`.
            await this.refresh().catch(() => undefined);
        }
    }

    /** A file in a version; `undefined` where the version has no such file. */
    async content(path: string, ref: GitRef): Promise<Uint8Array | undefined> {
        const key = `${ref}\0${path}`;
        const kept = this.contents.get(key);
        if (kept) {
            return kept;
        }
        const loading = this.ask({ content: { path, version: toVersion(ref) } }, 'content');
        this.contents.set(key, loading);
        const forget = (): void => {
            if (this.contents.get(key) === loading) {
                this.contents.delete(key);
            }
        };
        loading.then(bytes => (bytes?.length ?? 0) > MAX_KEPT_BYTES && forget(), forget);
        for (const oldest of this.contents.keys()) {
            if (this.contents.size <= MAX_KEPT_CONTENTS) {
                break;
            }
            this.contents.delete(oldest);
        }
        return loading;
    }

    protected forgetVersions(): void {
        this.versionsChanged = true;
        for (const key of this.contents.keys()) {
            if (!isFixed(key.slice(0, key.indexOf('\0')))) {
                this.contents.delete(key);
            }
        }
    }

    protected async load(): Promise<void> {
        const versions = this.versionsChanged;
        this.versionsChanged = false;
        try {
            this.current = await this.host.shell.gitState(this.path);
        } catch (error) {
            this.versionsChanged ||= versions;
            this.failEmitter.fire(error);
            throw error;
        }
        this.changeEmitter.fire({ versions });
    }
}
