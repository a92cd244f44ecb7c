import { CancellationToken, URI } from '@theia/core';
import { checkCancelled, isCancelled } from '@theia/core/lib/common/cancellation';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileUploadServiceImpl } from '@theia/filesystem/lib/browser-only/upload/file-upload-service-impl';
import { BinarySize } from '@theia/filesystem/lib/common/files';
import { FileUploadService } from '@theia/filesystem/lib/common/upload/file-upload';
import { ChoiceDialog } from '../problems/choice-dialog';
import { toAbortSignal } from '../shell/abort';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';

/** Files on their way at the same time. */
const UPLOADS_AT_ONCE = 3;
/** Pause between two reports of the progress, in milliseconds. */
const REPORT_EVERY_MS = 100;
/** Failures that are told one by one; of the others only the number. */
const TOLD_FAILURES = 3;

type Answer = 'replace' | 'replace_all' | 'skip' | 'skip_all';

/**
 * Uploads files and folders as they are, of any size: in parts that survive a lost connection and a restart of the server. The stock
 * service reads each file into the page's memory and starts again from nothing.
 */
@injectable()
export class ServerFileUpload extends FileUploadServiceImpl {

    @inject(ShellHost) protected readonly host: ShellHost;

    /** Folders without any file, of an upload under way. The stock service only knows of files, and would lose them. */
    protected readonly emptyFolders = new WeakMap<CancellationToken, URI[]>();

    protected override async uploadFiles(target: URI, params: FileUploadService.UploadParams): Promise<FileUploadService.UploadResult> {
        const { source, progress, token = CancellationToken.None, onDidUpload } = params;
        const uploaded: string[] = [];
        if (!source) {
            return { uploaded };
        }
        const empty: URI[] = [];
        this.emptyFolders.set(token, empty);
        const files = await this.enumerateFiles(target, source, token);
        const batch = new Batch(files, (message, total, done) => progress?.report({ message, work: { total, done } }));
        const conflicts = new Conflicts();
        const sendNext = async (): Promise<void> => {
            for (let entry = batch.next(); entry && !token.isCancellationRequested && !conflicts.cancelled; entry = batch.next()) {
                const { file, uri } = entry;
                try {
                    if (await this.send(file, uri, conflicts, token, bytes => batch.sent(uri, bytes))) {
                        uploaded.push(uri.toString(true));
                        onDidUpload?.(uri.toString(true));
                    }
                } catch (error) {
                    if (isCancelled(error as Error) || token.isCancellationRequested) {
                        return;
                    }
                    batch.failed(uri, ShellProblem.describe(error));
                }
                batch.ended(uri, file.size);
            }
        };
        await Promise.all(Array.from({ length: UPLOADS_AT_ONCE }, sendNext));
        if (!conflicts.cancelled) {
            await this.makeFolders(empty, batch, token);
        }
        this.tell(batch.failures);
        this.onDidUploadEmitter.fire(uploaded);
        return { uploaded };
    }

    protected override async traverseEntry(base: URI, entry: FileSystemEntry, token: CancellationToken): Promise<FileUploadService.UploadEntry[]> {
        const files = await super.traverseEntry(base, entry, token);
        if (entry.isDirectory && files.length === 0) {
            this.emptyFolders.get(token)?.push(base.resolve(entry.name));
        }
        return files;
    }

    protected async makeFolders(folders: readonly URI[], batch: Batch, token: CancellationToken): Promise<void> {
        for (const folder of folders) {
            if (token.isCancellationRequested) {
                return;
            }
            try {
                await this.fileService.createFolder(folder);
            } catch (error) {
                batch.failed(folder, ShellProblem.describe(error));
            }
        }
    }

    /** Sends one file; answers whether it is there now, and not left out because of what was. */
    protected async send(file: File, uri: URI, conflicts: Conflicts, token: CancellationToken, sent: (bytes: number) => void): Promise<boolean> {
        checkCancelled(token);
        if (!this.host.rootUri.isEqualOrParent(uri)) {
            await this.uploadFile(file, uri);
            return true;
        }
        let declined = false;
        const onConflict = async (): Promise<boolean> => {
            const replace = await conflicts.mayReplace(uri);
            declined = !replace;
            return replace;
        };
        if (await this.fileService.exists(uri) && !await onConflict()) {
            return false;
        }
        const mode = { type: conflicts.isAllowed(uri) ? 'overwrite' as const : 'create_new' as const };
        try {
            await this.host.shell.uploadFile(uri.path.toString(), file, mode, sent, onConflict, toAbortSignal(token));
            return true;
        } catch (error) {
            if (declined) {
                return false;
            }
            throw error;
        }
    }

    protected tell(failures: ReadonlyMap<string, string>): void {
        if (failures.size === 0) {
            return;
        }
        const lines = [...failures].slice(0, TOLD_FAILURES).map(([path, why]) => `${path}: ${why}`);
        const others = failures.size - lines.length;
        this.messageService.error(`Not uploaded: ${lines.join(' ')}${others > 0 ? ` And ${others.toLocaleString()} more.` : ''}`);
    }
}

/** What is uploaded together, and how far it is. */
class Batch {

    readonly failures = new Map<string, string>();
    protected readonly total: number;
    protected readonly underWay = new Map<string, number>();
    protected done = 0;
    protected finished = 0;
    protected at = 0;
    protected reported = 0;

    constructor(
        protected readonly files: FileUploadService.UploadEntry[],
        protected readonly report: (message: string, total: number, done: number) => void
    ) {
        this.total = files.reduce((sum, { file }) => sum + file.size, 0);
    }

    next(): FileUploadService.UploadEntry | undefined {
        return this.files[this.at++];
    }

    sent(uri: URI, bytes: number): void {
        this.underWay.set(uri.toString(), bytes);
        this.tell();
    }

    ended(uri: URI, size: number): void {
        this.underWay.delete(uri.toString());
        this.done += size;
        this.finished += 1;
        this.tell();
    }

    failed(uri: URI, why: string): void {
        this.failures.set(uri.path.base, why);
    }

    protected tell(): void {
        const now = performance.now();
        if (now - this.reported < REPORT_EVERY_MS && this.finished < this.files.length) {
            return;
        }
        this.reported = now;
        const done = [...this.underWay.values()].reduce((sum, bytes) => sum + bytes, this.done);
        const message = `${this.finished.toLocaleString()} of ${this.files.length.toLocaleString()} files, ${BinarySize.formatSize(done)} of ${BinarySize.formatSize(this.total)}`;
        this.report(message, Math.max(this.total, 1), done);
    }
}

/** Asks about what is there already, one file after the other, and remembers what holds for all. */
class Conflicts {

    /** Nothing further is sent. */
    cancelled = false;
    protected forAll: boolean | undefined;
    protected readonly allowed = new Set<string>();
    protected asking: Promise<unknown> = Promise.resolve();

    isAllowed(uri: URI): boolean {
        return this.allowed.has(uri.toString());
    }

    mayReplace(uri: URI): Promise<boolean> {
        const asked = this.asking.then(() => this.ask(uri));
        this.asking = asked.catch(() => undefined);
        return asked;
    }

    protected async ask(uri: URI): Promise<boolean> {
        const replace = this.forAll ?? await this.askPerson(uri);
        if (replace) {
            this.allowed.add(uri.toString());
        }
        return replace;
    }

    protected async askPerson(uri: URI): Promise<boolean> {
        const answer = await new ChoiceDialog<Answer>(
            `“${uri.path.base}” is there already`,
            `In “${uri.parent.path.base}” there is something of that name. Replacing it loses what is in it now.`,
            [
                { label: 'Replace all', value: 'replace_all' },
                { label: 'Replace', value: 'replace' },
                { label: 'Skip all', value: 'skip_all' },
                { label: 'Skip', value: 'skip' }
            ]
        ).open();
        const replace = answer === 'replace' || answer === 'replace_all';
        this.cancelled = answer === undefined;
        if (answer === 'replace_all' || answer === 'skip_all' || this.cancelled) {
            this.forAll = replace;
        }
        return replace;
    }
}
