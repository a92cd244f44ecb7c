import { InMemoryResources, MessageService, URI } from '@theia/core';
import { OpenerService } from '@theia/core/lib/browser';
import { DiffUris } from '@theia/core/lib/browser/diff-uris';
import { cancelled } from '@theia/core/lib/common/cancellation';
import { ReadableStream } from '@theia/core/lib/common/stream';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileResource, FileResourceOptions, FileResourceResolver } from '@theia/filesystem/lib/browser/file-resource';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import { BinarySize, FileOperationError, FileOperationResult } from '@theia/filesystem/lib/common/files';
import { Shell } from 'coditect-shell';
import { listed, nameOf } from '../people/names';
import { PresentPeople } from '../people/present-people';
import { ChoiceDialog } from '../problems/choice-dialog';
import { ShellProblem } from '../shell/shell-problem';
import { ShellFileSystemProvider } from './shell-file-system-provider';

/** Scheme of what a file on the server holds while it is compared with the editor's text. */
const ON_SERVER_SCHEME = 'coditect-on-server';

/** A file on the server as an editor holds it. It asks before it opens what an editor cannot do well, and never asks for what cannot be done. */
class ServerFileResource extends FileResource {

    protected declined = false;

    constructor(uri: URI, fileService: FileService, options: FileResourceOptions, protected readonly mayOnlyLook: () => boolean) {
        super(uri, fileService, options);
    }

    /** What a person may do in a workspace can change while a file is open; the stock one asks only about the whole file system. */
    protected override async updateReadOnly(): Promise<void> {
        // Nobody waits for this. A file that is not there, such as that of the keys before the first is changed, has no permissions of its own.
        const byItself = await this.fileService.resolve(this.uri).then(({ isReadonly }) => isReadonly, () => false);
        this.setReadOnly(byItself);
    }

    /** The stock one takes whatever has an older time, such as a file that was moved here, for what it read; and never looks at permissions again. */
    protected override async isInSync(): Promise<boolean> {
        try {
            await this.writingLock.waitForUnlock();
            const { mtime, isReadonly } = await this.fileService.resolve(this.uri, { resolveMetadata: true });
            this.setReadOnly(isReadonly);
            return this.version?.mtime === mtime;
        } catch {
            return !this.version;
        }
    }

    protected setReadOnly(byItself = false): void {
        const { readOnly } = this.options;
        const locked = this.mayOnlyLook() || byItself;
        this.options.readOnly = locked;
        if (locked !== readOnly) {
            this.updateSavingContentChanges();
            this.onDidChangeReadOnlyEmitter.fire(locked);
        }
    }

    override readContents(options?: { encoding?: string }): Promise<string> {
        return this.reading(() => super.readContents(options));
    }

    override readStream(options?: { encoding?: string }): Promise<ReadableStream<string>> {
        return this.reading(() => super.readStream(options));
    }

    /** Whoever says no knows that the file does not open: that is no failure to be told of. */
    protected async reading<T>(read: () => Promise<T>): Promise<T> {
        this.declined = false;
        try {
            return await read();
        } catch (error) {
            throw this.declined ? cancelled() : error;
        }
    }

    protected override async shouldOpenAsText(reason: string): Promise<boolean> {
        await this.refuseHuge();
        const open = await super.shouldOpenAsText(reason);
        this.declined = !open;
        return open;
    }

    protected async refuseHuge(): Promise<void> {
        const { size } = await this.fileService.resolve(this.uri, { resolveMetadata: true });
        const limit = Shell.maxFileBytes();
        if (size > limit) {
            const text = `“${this.uri.path.base}” has ${BinarySize.formatSize(size)}; the editor opens files up to ${BinarySize.formatSize(limit)}.`
                + ' Download it, or look at it in a terminal. (files.too_large)';
            throw new FileOperationError(text, FileOperationResult.FILE_TOO_LARGE);
        }
    }
}

type Answer = 'compare' | 'overwrite';

/** Makes the resources, and asks the person what they cannot decide. */
@injectable()
export class ServerFileResourceResolver extends FileResourceResolver {

    @inject(InMemoryResources) protected readonly inMemory: InMemoryResources;
    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(ShellFileSystemProvider) protected readonly provider: ShellFileSystemProvider;
    @inject(PresentPeople) protected readonly present: PresentPeople;

    protected compared = 0;

    override async resolve(uri: URI): Promise<FileResource> {
        const stock = await super.resolve(uri);
        const { readOnly } = stock;
        stock.dispose();
        return new ServerFileResource(uri, this.fileService, {
            readOnly,
            shouldOverwrite: () => this.shouldOverwrite(uri),
            shouldOpenAsText: error => this.shouldOpenAsText(uri, error)
        }, () => this.provider.isReadOnly(uri));
    }

    protected override async shouldOverwrite(uri: URI): Promise<boolean> {
        const name = this.labelProvider.getName(uri);
        const answer = await new ChoiceDialog<Answer>(
            `“${name}” was changed meanwhile`,
            `${this.whoChanged(uri)}On the server “${this.labelProvider.getLongName(uri)}” is not the version any more that you began with. Overwriting it loses what was written`
            + ' there; comparing shows both beside each other and changes nothing; keeping yours leaves it in the editor, not saved. (files.changed)',
            [{ label: 'Overwrite', value: 'overwrite' }, { label: 'Compare', value: 'compare' }],
            'Keep mine'
        ).open();
        if (answer === 'compare') {
            this.compare(uri).catch(error => this.messages.error(ShellProblem.describe(error)));
        }
        return answer === 'overwrite';
    }

    /** Who it may have been, as a sentence; empty where nobody else is in the file. */
    protected whoChanged(uri: URI): string {
        const saved = this.present.savedBy(uri);
        if (saved) {
            return `${nameOf(saved)} saved it while you were changing it. `;
        }
        const people = this.present.inFile(uri);
        return people.length === 0 ? '' : `${listed(people.map(nameOf))} ${people.length > 1 || people[0]?.own ? 'have' : 'has'} it open, too. `;
    }

    /** Opens what the server has beside what the editor holds. */
    protected async compare(uri: URI): Promise<void> {
        const { value } = await this.fileService.read(uri);
        // Each comparison is of a moment, so each has an address of its own.
        const theirs = uri.withScheme(ON_SERVER_SCHEME).withQuery(String(++this.compared));
        const held = this.inMemory.add(theirs, value);
        try {
            const diff = DiffUris.encode(theirs, uri, `${this.labelProvider.getName(uri)} (on the server ↔ yours)`);
            await (await this.openers.getOpener(diff)).open(diff);
        } finally {
            // The editor has a reference of its own now.
            held.dispose();
        }
    }
}
