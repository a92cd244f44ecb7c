import type { ShellStatus } from '../shell/shell-types';

/** The state of the connection in a word or two. */
export function connectionLabel(status: ShellStatus): string {
    switch (status.connection) {
        case 'online': return 'Online';
        case 'connecting': return 'Connecting';
        case 'waiting': return 'Offline';
        case 'closed': return 'Closed';
        default: return 'Not connected';
    }
}

/** What a person should know while there is no connection; `undefined` while there is one. */
export function connectionNotice(status: ShellStatus): string | undefined {
    switch (status.connection) {
        case 'online':
        case 'idle':
            return undefined;
        case 'closed':
            return `The connection ended. ${describe(status)} What you changed is still here; connect again before you close this page.`;
        default: {
            const wait = retrySeconds(status);
            return `No connection to the server; ${wait ? `the next try is in ${wait} s` : 'trying to connect'}. You can go on working: what you changed stays in the editor.`;
        }
    }
}

export function formatMilliseconds(value: number | undefined): string {
    if (typeof value !== 'number') {
        return '–';
    }
    return value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
}

function retrySeconds(status: ShellStatus): number | undefined {
    return typeof status.retry_in_ms === 'number' ? Math.max(1, Math.ceil(status.retry_in_ms / 1000)) : undefined;
}

function describe({ problem }: ShellStatus): string {
    return problem ? `${problem.message} (${problem.code})` : '';
}
