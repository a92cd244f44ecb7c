/** Where a person's two folders are, for somebody: programs and the IDE may see them at different places. */
export interface Folders {
    readonly workspace: string;
    readonly home: string;
}

/** A path of a program as the IDE knows it; `undefined` for what the IDE does not show. */
export function toIdePath(path: string, programs: Folders, ide: Folders): string | undefined {
    const plain = plainPath(path);
    const pairs = [[programs.workspace, ide.workspace], [programs.home, ide.home]]
        .map(([from, to]) => [plainPath(from), to] as const)
        // One may lie within the other.
        .sort(([one], [other]) => other.length - one.length);
    for (const [from, to] of pairs) {
        if (plain === from) {
            return to;
        }
        if (plain.startsWith(`${from}/`)) {
            return to + plain.slice(from.length);
        }
    }
    return undefined;
}

/** The folder that a shell says it is in: the address of escape sequence OSC 7, `file://host/path`. */
export function toldFolder(address: string): string | undefined {
    const path = /^file:\/\/[^/]*(\/.*)$/s.exec(address)?.[1];
    try {
        return path === undefined ? undefined : decodeURIComponent(path);
    } catch {
        return undefined;
    }
}

/** Without `.`, `..` and double slashes. */
export function plainPath(path: string): string {
    const parts: string[] = [];
    for (const part of path.split('/')) {
        if (part === '..') {
            parts.pop();
        } else if (part !== '' && part !== '.') {
            parts.push(part);
        }
    }
    return `/${parts.join('/')}`;
}
