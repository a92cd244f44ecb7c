import { CancellationToken } from '@theia/core';

/** A signal for the shell that follows a cancellation token of Theia. */
export function toAbortSignal(token: CancellationToken | undefined): AbortSignal | undefined {
    if (!token) {
        return undefined;
    }
    const controller = new AbortController();
    if (token.isCancellationRequested) {
        controller.abort();
    } else {
        token.onCancellationRequested(() => controller.abort());
    }
    return controller.signal;
}
