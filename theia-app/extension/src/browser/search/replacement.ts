import { inCaseOf } from 'coditect-shell';

/** What a search was, as far as it says what takes the place of a match. */
export interface ReplacementOptions {
    readonly useRegExp?: boolean;
    readonly matchCase?: boolean;
    readonly preserveCase: boolean;
}

/** The text for one match; groups of the pattern are taken from the match itself. Absent where the text is no match of it. */
export function replacementOf(match: string, searchTerm: string, replacement: string, options: ReplacementOptions): string | undefined {
    const made = options.useRegExp ? expanded(match, searchTerm, replacement, options) : plain(match, searchTerm, replacement, options);
    return made !== undefined && options.preserveCase ? inCaseOf(match, made) : made;
}

function plain(match: string, searchTerm: string, replacement: string, { matchCase }: ReplacementOptions): string | undefined {
    const same = matchCase ? match === searchTerm : match.toLowerCase() === searchTerm.toLowerCase();
    return same ? replacement : undefined;
}

/** The pattern and the replacement are written as the server's, which differ a little from the page's own. */
function expanded(match: string, searchTerm: string, replacement: string, { matchCase }: ReplacementOptions): string | undefined {
    const named = replacement.replace(/\$\{(\d+)\}/g, '$$$1').replace(/\$\{(\w+)\}/g, '$$<$1>');
    const pattern = searchTerm.replace(/\(\?P</g, '(?<');
    try {
        const whole = new RegExp(`^(?:${pattern})$`, matchCase ? 'um' : 'uim');
        return whole.test(match) ? match.replace(whole, named) : undefined;
    } catch {
        return undefined;
    }
}
