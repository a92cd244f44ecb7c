import { CancellationToken, Disposable, Emitter, Event, URI } from '@theia/core';
import { newWriteableStream, ReadableStreamEvents } from '@theia/core/lib/common/stream';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import {
    createFileSystemProviderError, FileChange, FileChangeType, FileDeleteOptions, FileOverwriteOptions, FilePermission, FileReadStreamOptions,
    FileSystemProviderCapabilities, FileSystemProviderErrorCode, FileSystemProviderWithAccessCapability, FileSystemProviderWithFileFolderCopyCapability,
    FileSystemProviderWithFileReadStreamCapability, FileSystemProviderWithFileReadWriteCapability, FileType, FileWriteOptions, Stat, WatchOptions
} from '@theia/filesystem/lib/common/files';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import type { ShellChange, ShellFileStat, WriteMode } from '../shell/shell-types';
import { changedMeanwhile, isChangedMeanwhile, toProviderError } from './file-problems';
import { FileVersion, isWithin, VersionLedger } from './version-ledger';
import { WatchedPlaces } from './watched-places';

/** What a file is read with at first, in bytes: most files are whole then, and a huge one is known before it crosses the wire. */
const FIRST_READ_BYTES = 256 * 1024;
/** Most folders remembered as listed. */
const MAX_REMEMBERED_FOLDERS = 10_000;
/** POSIX's `W_OK`, as Theia passes it to `access`. */
const ACCESS_WRITE = 2;

/** Which version a write may replace. */
export type WriteIntent =
    /** The one last read with this modification time. */
    | { readonly type: 'version'; readonly modified: number }
    /** Whatever is there. */
    | { readonly type: 'anything' };

/** The scheme `file`: the workspace and the person's home, on the server, over the shell. */
@injectable()
export class ShellFileSystemProvider implements FileSystemProviderWithFileReadWriteCapability, FileSystemProviderWithFileReadStreamCapability,
    FileSystemProviderWithFileFolderCopyCapability, FileSystemProviderWithAccessCapability {

    @inject(ShellHost) protected readonly host: ShellHost;

    readonly capabilities = FileSystemProviderCapabilities.FileReadWrite
        | FileSystemProviderCapabilities.FileReadStream
        | FileSystemProviderCapabilities.FileFolderCopy
        | FileSystemProviderCapabilities.PathCaseSensitive
        | FileSystemProviderCapabilities.Access
        | FileSystemProviderCapabilities.Trash;
    protected readonly capabilitiesEmitter = new Emitter<void>();
    /** Also tells that what the person may do in the workspace has changed. */
    readonly onDidChangeCapabilities: Event<void> = this.capabilitiesEmitter.event;
    protected wasReadOnly = false;
    readonly onFileWatchError: Event<void> = Event.None;

    protected readonly changeEmitter = new Emitter<readonly FileChange[]>();
    readonly onDidChangeFile = this.changeEmitter.event;

    protected readonly versions = new VersionLedger();
    protected readonly watched = new WatchedPlaces();
    /** Folders that were listed here, in the order of use. */
    protected readonly listed = new Set<string>();

    @postConstruct()
    protected init(): void {
        this.wasReadOnly = this.host.isReadOnly;
        this.host.onStatus(() => {
            const { isReadOnly } = this.host;
            if (isReadOnly !== this.wasReadOnly) {
                this.wasReadOnly = isReadOnly;
                this.capabilitiesEmitter.fire();
            }
        });
        this.host.shell.onChanges((change: ShellChange) => this.changeEmitter.fire(this.toChanges(change)));
    }

    /** The server watches the whole workspace and the home as long as the connection lives; here is kept what is not wanted of it. */
    watch(resource: URI, { excludes }: WatchOptions): Disposable {
        return this.watched.add(pathOf(resource), excludes);
    }

    async stat(resource: URI): Promise<Stat> {
        return this.toStat(resource, await this.run(this.host.shell.stat(pathOf(resource))));
    }

    /** Whether the person may only look at what is there, whatever the file itself allows. */
    isReadOnly(resource: URI): boolean {
        return this.host.isReadOnly && isWithin(pathOf(resource), this.host.rootUri.path.toString());
    }

    async access(resource: URI, mode?: number): Promise<void> {
        const stat = await this.run(this.host.shell.stat(pathOf(resource)));
        if (mode !== undefined && (mode & ACCESS_WRITE) !== 0 && (!stat.writable || this.isReadOnly(resource))) {
            throw createFileSystemProviderError(`“${pathOf(resource)}” is read-only.`, FileSystemProviderErrorCode.NoPermissions);
        }
    }

    async fsPath(resource: URI): Promise<string> {
        return pathOf(resource);
    }

    async readdir(resource: URI): Promise<[string, FileType][]> {
        const path = pathOf(resource);
        const entries = await this.run(this.host.shell.readFolder(path));
        this.rememberFolder(path);
        return entries.map(entry => [entry.name, toFileType(entry.kind, entry.is_link)]);
    }

    /** The first entries of a folder, and whether it has more. */
    async readEntries(resource: URI, most: number): Promise<{ entries: [string, FileType][], more: boolean }> {
        const path = pathOf(resource);
        const entries: [string, FileType][] = [];
        let more = true;
        while (more && entries.length < most) {
            const listing = await this.run(this.host.shell.readFolderPage(path, entries.at(-1)?.[0], most - entries.length));
            for (const { name, kind, is_link } of listing.entries) {
                entries.push([name, toFileType(kind, is_link)]);
            }
            more = !!listing.more && listing.entries.length > 0;
        }
        this.rememberFolder(path);
        return { entries, more };
    }

    async mkdir(resource: URI): Promise<void> {
        await this.run(this.host.shell.makeFolder(pathOf(resource)));
    }

    async delete(resource: URI, options: FileDeleteOptions): Promise<void> {
        await this.run(this.host.shell.delete(pathOf(resource), options.recursive, options.useTrash));
    }

    async rename(from: URI, to: URI, options: FileOverwriteOptions): Promise<void> {
        await this.run(this.host.shell.rename(pathOf(from), pathOf(to), options.overwrite));
    }

    async copy(from: URI, to: URI, options: FileOverwriteOptions): Promise<void> {
        await this.run(this.host.shell.copy(pathOf(from), pathOf(to), options.overwrite));
    }

    async readFile(resource: URI): Promise<Uint8Array> {
        return this.run(this.load(resource, undefined));
    }

    readFileStream(resource: URI, options: FileReadStreamOptions, token: CancellationToken): ReadableStreamEvents<Uint8Array> {
        const stream = newWriteableStream<Uint8Array>(chunks => concat(chunks));
        this.load(resource, options.limits?.size).then(bytes => {
            if (!token.isCancellationRequested) {
                const from = options.position ?? 0;
                stream.write(bytes.subarray(from, options.length === undefined ? undefined : from + options.length));
            }
            stream.end();
        }).catch(error => stream.end(toProviderError(error)));
        return stream;
    }

    /** Theia's own way to write; it does not tell which version it means. Editors save through {@link save}. */
    async writeFile(resource: URI, content: Uint8Array, options: FileWriteOptions): Promise<void> {
        const mode: WriteMode = options.overwrite ? { type: 'overwrite' } : { type: 'create_new' };
        await this.run(this.store(resource, content, mode));
    }

    /** Writes, and answers the facts of just what was written, so that no other change can slip between. */
    async save(resource: URI, content: Uint8Array, intent: WriteIntent): Promise<Stat> {
        const path = pathOf(resource);
        if (intent.type === 'anything') {
            return this.toStat(resource, await this.run(this.store(resource, content, { type: 'overwrite' })));
        }
        const held = this.versions.find(path, intent.modified);
        if (!held) {
            throw changedMeanwhile(path);
        }
        try {
            return this.toStat(resource, await this.replace(resource, content, held));
        } catch (error) {
            throw isChangedMeanwhile(error) ? changedMeanwhile(path) : toProviderError(error);
        }
    }

    /** Where only permissions or times changed since, there is nothing that could be lost, and nobody is asked. */
    protected async replace(resource: URI, content: Uint8Array, held: FileVersion): Promise<ShellFileStat> {
        try {
            return await this.store(resource, content, { type: 'replace', etag: held.etag });
        } catch (error) {
            if (!isChangedMeanwhile(error) || held.digest === undefined) {
                throw error;
            }
            const { bytes, stat: { etag } } = await this.host.shell.readFile(pathOf(resource));
            if (await digestOf(bytes) !== held.digest) {
                throw error;
            }
            return this.store(resource, content, { type: 'replace', etag });
        }
    }

    protected async store(resource: URI, content: Uint8Array, mode: WriteMode): Promise<ShellFileStat> {
        const path = pathOf(resource);
        const [stat, digest] = await Promise.all([this.host.shell.writeFile(path, content, mode), digestOf(content)]);
        this.versions.wrote(path, stat.modified, { etag: stat.etag, digest });
        return stat;
    }

    protected async load(resource: URI, limit: number | undefined): Promise<Uint8Array> {
        const path = pathOf(resource);
        let { bytes, stat } = await this.host.shell.readFile(path, 0, FIRST_READ_BYTES);
        if (limit !== undefined && stat.size > limit) {
            throw createFileSystemProviderError(`“${path}” has ${stat.size} bytes; here ${limit} are the most. (files.too_large)`, FileSystemProviderErrorCode.FileTooLarge);
        }
        if (bytes.length < stat.size) {
            ({ bytes, stat } = await this.host.shell.readFile(path));
        }
        this.versions.see(path, stat.modified, { etag: stat.etag, digest: await digestOf(bytes) });
        return bytes;
    }

    protected rememberFolder(path: string): void {
        this.listed.delete(path);
        this.listed.add(path);
        for (const oldest of this.listed) {
            if (this.listed.size <= MAX_REMEMBERED_FOLDERS) {
                return;
            }
            this.listed.delete(oldest);
        }
    }

    /**
     * After a gap in the watch nobody knows what changed, so all files read and folders listed here are looked at again. A tree looks at a
     * folder again when something in it was added.
     */
    protected rescan(path: string): FileChange[] {
        const folders = [...this.listed].filter(folder => isWithin(folder, path));
        return [
            ...this.versions.within(path).map(file => ({ type: FileChangeType.UPDATED, resource: fileUri(file) })),
            ...folders.map(folder => ({ type: FileChangeType.ADDED, resource: fileUri(`${folder}/.`) }))
        ];
    }

    protected toChanges(change: ShellChange): FileChange[] {
        if (change.type === 'rescan') {
            return this.rescan(change.path);
        }
        if (change.type === 'watching') {
            return [];
        }
        return change.changes.filter(({ path }) => this.watched.wants(path)).map(({ kind, path }) => ({ type: CHANGE_TYPES[kind], resource: fileUri(path) }));
    }

    protected toStat(resource: URI, stat: ShellFileStat): Stat {
        return {
            type: toFileType(stat.kind, stat.is_link),
            mtime: stat.modified,
            ctime: stat.created,
            size: stat.size,
            permissions: stat.writable && !this.isReadOnly(resource) ? undefined : FilePermission.Readonly
        };
    }

    protected async run<T>(call: Promise<T>): Promise<T> {
        try {
            return await call;
        } catch (error) {
            throw toProviderError(error);
        }
    }
}

const CHANGE_TYPES = { added: FileChangeType.ADDED, updated: FileChangeType.UPDATED, deleted: FileChangeType.DELETED } as const;

function pathOf(resource: URI): string {
    return resource.path.toString();
}

function toFileType(kind: ShellFileStat['kind'], isLink: boolean): FileType {
    const type = kind === 'file' ? FileType.File : kind === 'folder' ? FileType.Directory : FileType.Unknown;
    return isLink || kind === 'broken_link' ? type | FileType.SymbolicLink : type;
}

/** Tells a content from any other; `undefined` where the browser computes that only for pages that came encrypted. */
async function digestOf(content: Uint8Array): Promise<string | undefined> {
    const digest = await globalThis.crypto.subtle?.digest('SHA-256', content as Uint8Array<ArrayBuffer>);
    return digest && Array.from(new Uint8Array(digest), byte => byte.toString(16).padStart(2, '0')).join('');
}

function concat(chunks: Uint8Array[]): Uint8Array {
    const whole = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.length, 0));
    let at = 0;
    for (const chunk of chunks) {
        whole.set(chunk, at);
        at += chunk.length;
    }
    return whole;
}
