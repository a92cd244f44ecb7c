const LETTERS = 'rwxrwxrwx';

/** The nine bits as `ls` shows them. */
export function describePermissions(permissions: number): string {
    return [...LETTERS].map((letter, index) => permissions & (1 << (LETTERS.length - 1 - index)) ? letter : '-').join('');
}

/** The nine bits from three octal digits, or from the letters that `ls` shows. */
export function parsePermissions(text: string): number | undefined {
    const given = text.trim();
    if (/^0?[0-7]{3}$/.test(given)) {
        return parseInt(given, 8);
    }
    const fits = given.length === LETTERS.length && [...given].every((char, index) => char === '-' || char === LETTERS[index]);
    return fits ? [...given].reduce((bits, char) => bits << 1 | (char === '-' ? 0 : 1), 0) : undefined;
}
