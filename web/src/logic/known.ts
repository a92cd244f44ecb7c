/** The cookie that the page may read; it lives as long as the login can be renewed. */
const HINT = /(?:^|;\s*)coditect_csrf=([^;]+)/;

/** Something that stands for the login of this browser; nothing where nobody can be logged in. Only a hint: the server decides. */
export function loginHint(cookies: string = document.cookie): string | undefined {
    return HINT.exec(cookies)?.[1];
}
