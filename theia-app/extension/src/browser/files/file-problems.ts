import {
    createFileSystemProviderError, FileOperationError, FileOperationResult, FileSystemProviderError, FileSystemProviderErrorCode
} from '@theia/filesystem/lib/common/files';
import { ShellProblem } from '../shell/shell-problem';

const CODES: Readonly<Record<string, FileSystemProviderErrorCode>> = {
    'files.not_found': FileSystemProviderErrorCode.FileNotFound,
    'files.exists': FileSystemProviderErrorCode.FileExists,
    'files.is_a_folder': FileSystemProviderErrorCode.FileIsADirectory,
    'files.not_a_folder': FileSystemProviderErrorCode.FileNotADirectory,
    'files.no_permission': FileSystemProviderErrorCode.NoPermissions,
    'files.too_large': FileSystemProviderErrorCode.FileTooLarge,
    'path.outside': FileSystemProviderErrorCode.NoPermissions
};

const KINDS: Readonly<Record<string, FileSystemProviderErrorCode>> = {
    not_found: FileSystemProviderErrorCode.FileNotFound,
    forbidden: FileSystemProviderErrorCode.NoPermissions,
    too_large: FileSystemProviderErrorCode.FileTooLarge,
    unavailable: FileSystemProviderErrorCode.Unavailable,
    timeout: FileSystemProviderErrorCode.Unavailable
};

/** A problem of the shell as Theia's file layer expects it, the code still readable. */
export function toProviderError(error: unknown): FileSystemProviderError {
    if (error instanceof FileSystemProviderError) {
        return error;
    }
    const code = ShellProblem.is(error) ? CODES[error.code] ?? KINDS[error.kind] : undefined;
    return createFileSystemProviderError(ShellProblem.describe(error), code ?? FileSystemProviderErrorCode.Unknown);
}

/** Whether the file is not the version any more that the writer had read. */
export function isChangedMeanwhile(error: unknown): boolean {
    return ShellProblem.is(error) && (error.code === 'files.changed' || error.kind === 'precondition_failed');
}

/** The conflict, as the one who saves expects it in order to ask the person. */
export function changedMeanwhile(path: string): FileOperationError {
    return new FileOperationError(`“${path}” was changed meanwhile. (files.changed)`, FileOperationResult.FILE_MODIFIED_SINCE);
}
