import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileDownloadServiceImpl } from '@theia/filesystem/lib/browser-only/download/file-download-service';
import { ShellHost } from '../shell/shell-host';

interface ArchivedFile {
    readonly uri: URI;
    readonly path: string;
}

/** As much of an archive under way as is used here. */
interface Archive {
    entry(header: { name: string; size: number }, content: Uint8Array, done: (error?: Error | null) => void): unknown;
}

/**
 * Downloads to the person's computer. What is in the workspace comes straight from the server, however large: one file as it is, several
 * and folders as one archive that is made while it comes. What is in the home is packed in the page. The stock
 * service packs a file's bytes more than once when they are there before it listens.
 */
@injectable()
export class ServerFileDownload extends FileDownloadServiceImpl {

    @inject(ShellHost) protected readonly host: ShellHost;

    override async download(uris: URI[]): Promise<void> {
        const found = await this.linkTo(uris);
        await (found ? this.follow(found.url, found.name) : super.download(uris));
    }

    /** What is in the workspace, as one tar: unlike a zip it keeps permissions and symbolic links. */
    async downloadTar(uris: URI[]): Promise<void> {
        await this.follow(this.archiveUrl(uris, 'tar'), '');
    }

    /** Where the server has it; nothing for what is in the home. */
    protected async linkTo(uris: URI[]): Promise<{ url: string, name: string } | undefined> {
        const [uri] = uris;
        if (uris.length === 0 || !uris.every(each => this.host.rootUri.isEqualOrParent(each))) {
            return undefined;
        }
        const path = uris.length === 1 ? this.host.rootUri.relative(uri)?.toString() : undefined;
        if (path && (await this.fileService.resolve(uri)).isFile) {
            return { url: this.host.fileUrl(path), name: uri.path.base };
        }
        // Its name comes with it.
        return { url: this.archiveUrl(uris, 'zip'), name: '' };
    }

    protected archiveUrl(uris: URI[], format: 'zip' | 'tar'): string {
        return this.host.shell.downloadUrl(uris.map(each => each.path.toString()), format);
    }

    protected override async addFileToArchive(archive: Archive, file: ArchivedFile, abortSignal: AbortSignal): Promise<void> {
        if (abortSignal.aborted) {
            return;
        }
        const { value: { buffer } } = await this.fileService.readFile(file.uri);
        const header = { name: this.sanitizeFilename(file.path), size: buffer.byteLength };
        await new Promise<void>((resolve, reject) => archive.entry(header, buffer, error => error ? reject(error) : resolve()));
    }

    protected async follow(url: string, name: string): Promise<void> {
        // Renews the cookie that the link needs, if it ran out.
        await this.host.shell.session();
        const link = document.createElement('a');
        link.href = url;
        link.download = name;
        link.click();
    }
}
