/** Where a person goes after the login: only ever a page of this site. */
export function safeNext(wanted: string | null, origin: string): string {
    const fallback = '/dashboard';
    if (!wanted?.startsWith('/')) {
        return fallback;
    }
    try {
        const url = new URL(wanted, origin);
        return url.origin === origin ? url.pathname + url.search + url.hash : fallback;
    } catch {
        return fallback;
    }
}
