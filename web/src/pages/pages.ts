import { plainPath } from '../logic/next';

/** Pages of the front by their path, with their titles. */
export const PAGES = {
    '/': 'Coditect: several minds, one workspace',
    '/login': 'Log in · Coditect',
    '/register': 'Create your account · Coditect',
    '/reset-password': 'Reset your password · Coditect',
    '/dashboard': 'Workspaces · Coditect',
    '/account': 'Your account · Coditect',
    '/account/password': 'Password · Coditect',
    '/account/second-factor': 'Second factor · Coditect',
    '/account/sessions': 'Logins · Coditect',
    '/account/tokens': 'Access tokens · Coditect',
    '/account/git-logins': 'Git logins · Coditect',
    '/account/plugins': 'Plugins · Coditect',
    '/account/models': 'Models · Coditect',
    '/account/usage': 'Usage · Coditect',
    '/account/history': 'History · Coditect',
    '/admin/people': 'People · Coditect',
    '/admin/invites': 'Invitations · Coditect',
    '/admin/models': 'Models · Coditect',
    '/admin/model-keys': 'Model keys · Coditect',
    '/admin/model-usage': 'Model usage · Coditect',
    '/admin/plugins': 'Plugins · Coditect',
    '/admin/keys': 'Signing keys · Coditect',
    '/device': 'Let a program in · Coditect',
    '/api-docs': 'API · Coditect',
} as const;

export type PagePath = keyof typeof PAGES;

/** The page at a path, if there is one. */
export function pageAt(path: string): PagePath | undefined {
    const plain = plainPath(path);
    return Object.hasOwn(PAGES, plain) ? (plain as PagePath) : undefined;
}

/** Whether a path is one of the front's own pages. */
export function isOwnPage(path: string): boolean {
    return pageAt(path) !== undefined;
}
