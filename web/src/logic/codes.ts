/** Digits of a code of an authenticator. */
const TOTP = /^\d{6}$/;
/** Characters of a code for a program, without the dash. */
const USER_CODE_CHARS = 8;

/** A code of the second factor without the spaces that an authenticator or a person puts in. */
export function plainCode(typed: string): string {
    return typed.replace(/\s+/g, '');
}

/** Whether it is all that an authenticator shows. */
export function isWholeTotp(typed: string): boolean {
    return TOTP.test(plainCode(typed));
}

/** A program's code as it is shown: capitals, a dash in the middle. */
export function userCode(typed: string): string {
    const plain = typed.toUpperCase().replace(/[^A-Z0-9]/g, '').slice(0, USER_CODE_CHARS);
    const half = USER_CODE_CHARS / 2;
    return plain.length > half ? `${plain.slice(0, half)}-${plain.slice(half)}` : plain;
}

/** Whether nothing of it is missing. */
export function isWholeUserCode(typed: string): boolean {
    return userCode(typed).length === USER_CODE_CHARS + 1;
}

/** A secret in groups of four, for who types it. */
export function inGroups(secret: string): string {
    return secret.replace(/(.{4})(?=.)/g, '$1 ');
}

/** Text as an address that can stand in an `img`: there its scripts do not run and it loads nothing. */
export function svgAddress(svg: string): string {
    const bytes = new TextEncoder().encode(svg);
    return `data:image/svg+xml;base64,${btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(''))}`;
}
