/** What the shell rejects with: an `Error` that also carries a stable dotted code and its class. */
export interface ShellProblem extends Error {
    readonly code: string;
    readonly kind: string;
    /** What it is about, where a program goes on with that: the site that wants a login. */
    readonly subject?: string;
}

export namespace ShellProblem {
    export function is(error: unknown): error is ShellProblem {
        return error instanceof Error && typeof (error as Partial<ShellProblem>).code === 'string' && typeof (error as Partial<ShellProblem>).kind === 'string';
    }

    export function hasKind(error: unknown, kind: string): boolean {
        return is(error) && error.kind === kind;
    }

    /** One line for the screen: the message, and the code by which it can be looked up. */
    export function describe(error: unknown): string {
        if (is(error)) {
            return `${error.message} (${error.code})`;
        }
        return error instanceof Error ? error.message : String(error);
    }
}
