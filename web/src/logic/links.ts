/** Where an invitation is taken up. */
export function inviteLink(code: string, origin: string): string {
    return `${origin}/register?invite=${encodeURIComponent(code)}`;
}

/** Where a password is reset with a code. What comes after `#` is never sent, and so stands in no log. */
export function resetLink(login: string, code: string, origin: string): string {
    return `${origin}/reset-password#${new URLSearchParams({ login, code }).toString()}`;
}

/** What such a link brings along. */
export function resetOf(hash: string): { login: string; code: string } {
    const given = new URLSearchParams(hash.replace(/^#/, ''));
    return { login: given.get('login') ?? '', code: given.get('code') ?? '' };
}

/** The login page that leads back to an address of this site. */
export function loginPath({ pathname, search }: { pathname: string; search: string }): string {
    return `/login?next=${encodeURIComponent(pathname + search).replaceAll('%2F', '/')}`;
}
