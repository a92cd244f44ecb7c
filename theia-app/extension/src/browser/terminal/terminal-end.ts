import type { TerminalExit } from '../shell/shell-types';

/** How a terminal ended, in words. */
export interface TerminalEnd {
    /** For the tab. */
    readonly label: string;
    /** What happened, and what can be done about it. */
    readonly text: string;
    /** It was not the program's own doing, or the program says that it failed. */
    readonly failed: boolean;
}

type Cause = NonNullable<TerminalExit['cause']>;

const CAUSES: Readonly<Record<Cause, readonly [label: string, text: string]>> = {
    memory: ['out of memory', 'It was ended: your programs in this workspace took more memory than they may. Run fewer of them at once, or ask whoever runs the server to allow more.'],
    processes: ['too many processes', 'It was ended: your programs in this workspace started more processes than they may. Start fewer at once, or ask whoever runs the server to allow more.'],
    disk: ['disk full', 'It was ended while it wrote: the workspace may take no more of the disk. Delete what is not needed and empty the trash, or ask whoever runs the server to allow more.'],
    access_ended: ['access ended', 'It was ended: you may no longer change this workspace, or you were logged out everywhere. Ask the owner of the workspace, or log in again.'],
    host_lost: ['lost', 'What runs the terminals on the server ended unexpectedly, and the program with it. Your files are as it left them; start it again.']
};

/** What people know signals by. */
const SIGNALS: Readonly<Record<number, string>> = {
    1: 'SIGHUP, hung up', 2: 'SIGINT, interrupted', 3: 'SIGQUIT, quit', 4: 'SIGILL, illegal instruction', 6: 'SIGABRT, aborted',
    7: 'SIGBUS, bad memory access', 8: 'SIGFPE, arithmetic error', 9: 'SIGKILL, killed', 11: 'SIGSEGV, invalid memory access',
    13: 'SIGPIPE, nobody read its output', 14: 'SIGALRM, timer', 15: 'SIGTERM, terminated', 24: 'SIGXCPU, too much time', 25: 'SIGXFSZ, file too large'
};

export namespace TerminalEnd {

    /** It is not known any more. */
    export const GONE: TerminalEnd = {
        label: 'gone',
        text: 'This terminal is not there any more: it was closed in another page, or it waited for you longer than the server keeps terminals.',
        failed: true
    };

    export function of({ code, signal, cause }: TerminalExit): TerminalEnd {
        if (cause) {
            const [label, text] = CAUSES[cause];
            return { label, text, failed: true };
        }
        if (typeof signal === 'number') {
            const name = SIGNALS[signal];
            return { label: `signal ${signal}`, text: `The program was ended by signal ${signal}${name ? ` (${name})` : ''}.`, failed: true };
        }
        if (typeof code === 'number' && code !== 0) {
            return { label: `exit code ${code}`, text: `The program ended with exit code ${code}.`, failed: true };
        }
        return { label: 'ended', text: 'The program ended.', failed: false };
    }

    /** It never began. */
    export function notStarted(reason: string): TerminalEnd {
        return { label: 'not started', text: `The terminal could not be started. ${reason}`, failed: true };
    }

    /** Nobody can say whether it runs. */
    export function notReached(reason: string): TerminalEnd {
        return { label: 'not reached', text: `This terminal could not be reached. ${reason}`, failed: true };
    }
}
