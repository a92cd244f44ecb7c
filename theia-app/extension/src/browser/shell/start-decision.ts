import type { SessionInfo, WorkspaceInfo } from './shell-types';

/** What to do once it is known who is here and what they asked for. Pure, so that each way out can be tested. */
export type StartDecision =
    | { readonly type: 'open' }
    | { readonly type: 'go'; readonly url: string }
    | { readonly type: 'wait'; readonly message: string }
    | { readonly type: 'refuse'; readonly message: string };

export interface StartFacts {
    /** Root of the product below which `login` and `dashboard` are, with a trailing slash. */
    readonly base: URL;
    /** Address of this page. */
    readonly page: URL;
    readonly session: SessionInfo | undefined;
    readonly workspace: WorkspaceInfo | undefined;
}

/** The address that logs a person in and leads back to `page`. */
export function loginUrl(base: URL, page: URL): string {
    const login = new URL('login', base);
    login.searchParams.set('next', page.pathname + page.search);
    return login.href;
}

export function decideStart({ base, page, session, workspace }: StartFacts): StartDecision {
    if (!session) {
        return { type: 'go', url: loginUrl(base, page) };
    }
    if (!workspace) {
        return { type: 'go', url: new URL('dashboard', base).href };
    }
    switch (workspace.state.type) {
        case 'creating': {
            const percent = typeof workspace.state.percent === 'number' ? ` (${workspace.state.percent} %)` : '';
            return { type: 'wait', message: `“${workspace.name}” is being prepared: ${workspace.state.step}${percent}` };
        }
        case 'failed':
            return { type: 'refuse', message: `“${workspace.name}” could not be prepared. ${workspace.state.message} (${workspace.state.code})` };
        default:
            return { type: 'open' };
    }
}
