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

/** Where programs that know a provider find the models of this server, and the variables that tell them. */
export function doorsOf(origin: string): readonly { provider: string; address: string; variable: string; key: string }[] {
    const base = `${origin}/api/v5/llm`;
    return [
        { provider: 'OpenAI', address: `${base}/v1`, variable: 'OPENAI_BASE_URL', key: 'OPENAI_API_KEY' },
        { provider: 'Anthropic', address: base, variable: 'ANTHROPIC_BASE_URL', key: 'ANTHROPIC_API_KEY' },
        { provider: 'Gemini', address: base, variable: 'GOOGLE_GEMINI_BASE_URL', key: 'GEMINI_API_KEY' },
    ];
}
