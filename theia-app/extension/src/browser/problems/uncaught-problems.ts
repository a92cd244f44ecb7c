import { MessageService, ResourceError } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { isCancelled } from '@theia/core/lib/common/cancellation';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileOperationError, FileSystemProviderError } from '@theia/filesystem/lib/common/files';
import { ShellProblem } from '../shell/shell-problem';

/**
 * Shows what went wrong with a file or on the server where nobody waits for the outcome: views of Theia open files and start commands
 * without looking at what becomes of them. Faults of the program itself are left to the browser's console.
 */
@injectable()
export class UncaughtProblems implements FrontendApplicationContribution {

    @inject(MessageService) protected readonly messages: MessageService;

    initialize(): void {
        window.addEventListener('unhandledrejection', event => {
            const { reason } = event;
            if (isGivenUp(reason)) {
                event.preventDefault();
            } else if (isForThePerson(reason)) {
                event.preventDefault();
                this.messages.error(ShellProblem.describe(reason));
            }
        });
    }
}

/** Ended because nobody wants it any more; the editor's parts name that differently from Theia's. */
function isGivenUp(reason: unknown): boolean {
    return isCancelled(reason as Error | undefined) || ShellProblem.hasKind(reason, 'cancelled') || reason instanceof Error && reason.name === 'Canceled';
}

function isForThePerson(reason: unknown): boolean {
    return ShellProblem.is(reason) || reason instanceof FileOperationError || reason instanceof FileSystemProviderError || ResourceError.NotFound.is(reason as object);
}
