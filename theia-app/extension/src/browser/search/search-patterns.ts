const UNITS: Readonly<Record<string, number>> = { K: 1024, M: 1024 ** 2, G: 1024 ** 3 };

/** Reads `20M` and its like into bytes; `fallback` where it is none. */
export function parseSize(text: string | undefined, fallback: number): number {
    const match = /^\s*(\d+(?:\.\d+)?)\s*([KMG])?\s*$/i.exec(text ?? '');
    return match ? Math.round(Number(match[1]) * (UNITS[match[2]?.toUpperCase() ?? ''] ?? 1)) : fallback;
}

/**
 * The globs that a person means by `pattern`: one without a leading `/` or `./` applies at any depth, and one that names a folder applies
 * to all below it. `roots` are the absolute folders that are searched: a pattern may also be the absolute path of something in them.
 */
export function expandGlob(pattern: string, roots: readonly string[] = []): string[] {
    let glob = pattern.trim().replace(/\\/g, '/');
    const root = roots.find(candidate => glob === candidate || glob.startsWith(`${candidate}/`));
    if (root) {
        glob = `./${glob.slice(root.length + 1)}`;
    }
    const anchored = glob.startsWith('/') || glob.startsWith('./');
    glob = glob.replace(/^\.?\/+/, '').replace(/\/+$/, '');
    if (glob.length === 0) {
        return root ? ['**'] : [];
    }
    const base = anchored || glob.startsWith('**/') ? glob : `**/${glob}`;
    return base.endsWith('**') ? [base] : [base, `${base}/**`];
}

export function expandGlobs(patterns: readonly string[] | undefined, roots: readonly string[] = []): string[] {
    return [...new Set((patterns ?? []).flatMap(pattern => expandGlob(pattern, roots)))];
}
