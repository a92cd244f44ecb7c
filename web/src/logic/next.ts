/** Pages that lead a person who is logged in on to `next`: going there after the login would go round in circles. */
const DOORS = new Set(['/login', '/register']);

/** Where a person goes after the login: only ever a page of this site. */
export function safeNext(wanted: string | null, origin: string): string {
    const fallback = '/dashboard';
    if (!wanted?.startsWith('/')) {
        return fallback;
    }
    try {
        const url = new URL(wanted, origin);
        const isSafe = url.origin === origin && !DOORS.has(plainPath(url.pathname));
        return isSafe ? url.pathname + url.search + url.hash : fallback;
    } catch {
        return fallback;
    }
}

/** A path without slashes at its end; the root stays `/`. */
export function plainPath(path: string): string {
    return path.replace(/\/+$/, '') || '/';
}
