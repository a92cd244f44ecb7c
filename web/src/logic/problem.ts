/** What went wrong, for a person and for whoever is asked for help. */
export interface Problem {
    code: string;
    message: string;
    /** The kind that the shell or the server gave it. */
    kind?: string;
}

/** Codes of a wrong answer to a question about who somebody is: they say nothing about a login that is there. */
const WRONG_PROOFS = new Set(['auth.bad_credentials', 'auth.second_factor_wrong', 'auth.second_factor_ticket']);

/** Any rejection as a problem. */
export function problemOf(error: unknown): Problem {
    if (!(error instanceof Error)) {
        return { code: 'page.error', message: String(error) };
    }
    const { code, kind, message } = error as Error & { code?: unknown; kind?: unknown };
    return { code: typeof code === 'string' ? code : 'page.error', message, ...(typeof kind === 'string' ? { kind } : {}) };
}

/** A problem that the page itself found. */
export function pageProblem(code: string, message: string): Error {
    return Object.assign(new Error(message), { code });
}

/** Whether it means that nobody is logged in (any more). */
export function isLoggedOut(problem: Problem): boolean {
    return problem.kind === 'unauthenticated' && !WRONG_PROOFS.has(problem.code);
}
