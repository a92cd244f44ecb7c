import { URI } from '@theia/core';
import { BinaryBuffer, BinaryBufferReadable, BinaryBufferReadableStream } from '@theia/core/lib/common/buffer';
import { isReadableStream } from '@theia/core/lib/common/stream';
import { injectable } from '@theia/core/shared/inversify';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import {
    ETAG_DISABLED, FileOperationError, FileStat, FileStatWithMetadata, FileSystemProviderError, FileSystemProviderErrorCode, ReadFileOptions, Stat,
    toFileOperationResult, toFileSystemProviderErrorCode, WriteFileOptions
} from '@theia/filesystem/lib/common/files';
import { toProviderError } from './file-problems';
import { ShellFileSystemProvider, WriteIntent } from './shell-file-system-provider';

type Content = BinaryBuffer | BinaryBufferReadable | BinaryBufferReadableStream;

/**
 * Theia's file service, but a write to the server is one call that names the version it may replace. The stock one looks at the file
 * first and then writes whatever is there, so a change in between, or one that keeps the size, would be lost.
 */
@injectable()
export class ConflictSafeFileService extends FileService {

    override async writeFile(resource: URI, content: Content, options?: WriteFileOptions): Promise<FileStatWithMetadata> {
        const provider = await this.withProvider(resource);
        if (!(provider instanceof ShellFileSystemProvider)) {
            return super.writeFile(resource, content, options);
        }
        const bytes = (await toBuffer(content)).buffer;
        try {
            return FileStat.fromStat(resource, await this.writeInFolder(provider, resource, bytes, intentOf(options)));
        } catch (error) {
            if (error instanceof FileOperationError) {
                throw error;
            }
            const problem = toProviderError(error);
            throw new FileOperationError(problem.message, toFileOperationResult(problem), options);
        }
    }

    /** What the server says is a whole sentence with its code; the stock service wraps it in another one, and in the name of a class. */
    protected override asFileOperationError(message: string, resource: URI, error: Error, options?: ReadFileOptions & WriteFileOptions): FileOperationError {
        const problem = super.asFileOperationError(message, resource, error, options);
        if (error instanceof FileSystemProviderError || error instanceof FileOperationError) {
            problem.message = error.message;
        }
        return problem;
    }

    /** Makes the folder if it is not there yet. */
    protected async writeInFolder(provider: ShellFileSystemProvider, resource: URI, bytes: Uint8Array, intent: WriteIntent): Promise<Stat> {
        try {
            return await provider.save(resource, bytes, intent);
        } catch (error) {
            if (intent.type === 'version' || toFileSystemProviderErrorCode(toProviderError(error)) !== FileSystemProviderErrorCode.FileNotFound) {
                throw error;
            }
        }
        await this.createFolder(resource.parent, { fromUserGesture: false });
        return provider.save(resource, bytes, intent);
    }
}

/** An editor tells the version it holds; when the person chose to overwrite, and for a new file, there is none. */
function intentOf(options: WriteFileOptions | undefined): WriteIntent {
    if (typeof options?.mtime === 'number' && typeof options.etag === 'string' && options.etag !== ETAG_DISABLED) {
        return { type: 'version', modified: options.mtime };
    }
    return { type: 'anything' };
}

async function toBuffer(content: Content): Promise<BinaryBuffer> {
    if (content instanceof BinaryBuffer) {
        return content;
    }
    return isReadableStream<BinaryBuffer>(content) ? BinaryBufferReadableStream.toBuffer(content) : BinaryBufferReadable.toBuffer(content);
}
