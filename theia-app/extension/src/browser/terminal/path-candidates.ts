/** A place in a file that a line of output seems to name. */
export interface PathCandidate {
    /** Where in the line it begins. */
    readonly start: number;
    /** How much of the line names it, with the place in the file. */
    readonly length: number;
    readonly path: string;
    /** From 1. */
    readonly line?: number;
    /** From 1. */
    readonly column?: number;
}

/** Most candidates of one line: each is looked up on the server. */
const MAX_CANDIDATES = 16;
/** Longest path of Linux, in characters here. */
const MAX_PATH_CHARS = 4096;

/** Characters that paths in output are set off by. */
const WORD = /[^\s"'`<>()[\]{}|=,;]+/g;
const ADDRESS = /^[a-z][a-z\d+.-]*:\/\//i;
/** `name:12:5`, also with more behind it: `name:12:text`. */
const PLACE = /:(\d+)(?::(\d+))?(?=:|$)/;
/** `name(12,5)` and `name (12)`. */
const PLACE_IN_BRACKETS = /\s?[([](\d+)(?:,\s?(\d+))?[)\]]/y;
/** `"name", line 12` and `name on line 12, column 5`. */
const PLACE_IN_WORDS = /["']?,?(?: on)? line (\d+)(?:,? column (\d+))?/y;

/** What in a line of output may be a file, as compilers, test runners, stack traces and `grep -n` write it. Whether it is one is not known. */
export function pathCandidates(line: string): PathCandidate[] {
    const candidates: PathCandidate[] = [];
    let end = 0;
    for (const { 0: word, index } of line.matchAll(WORD)) {
        if (candidates.length === MAX_CANDIDATES) {
            break;
        }
        const isWanted = index >= end && word.length <= MAX_PATH_CHARS && !ADDRESS.test(word);
        const candidate = isWanted ? toCandidate(line, word, index) : undefined;
        if (candidate) {
            candidates.push(candidate);
            end = candidate.start + candidate.length;
        }
    }
    return candidates;
}

function toCandidate(line: string, whole: string, start: number): PathCandidate | undefined {
    const word = trimEnd(whole);
    const place = PLACE.exec(word);
    const colon = place?.index ?? word.indexOf(':');
    const path = trimEnd(colon < 0 ? word : word.slice(0, colon));
    if (place && path.length === colon) {
        return isPath(path, true) ? withPlace(path, start, colon + place[0].length, place) : undefined;
    }
    const end = start + path.length;
    const behind = find(PLACE_IN_BRACKETS, line, end) ?? find(PLACE_IN_WORDS, line, end);
    if (behind) {
        return isPath(path, true) ? withPlace(path, start, path.length + behind[0].length, behind) : undefined;
    }
    return isPath(path, false) ? { start, length: path.length, path } : undefined;
}

function withPlace(path: string, start: number, length: number, [, line, column]: RegExpExecArray): PathCandidate {
    return { start, length, path, line: Number(line), ...(column && { column: Number(column) }) };
}

/** A word is a path where it looks like one, or where a line is named. */
function isPath(word: string, hasPlace: boolean): boolean {
    return /[\p{L}\p{N}_]/u.test(word) && (hasPlace ? !/^\d+$/.test(word) : /\/|[^.]\.\p{L}/u.test(word));
}

/** Without the marks that end a sentence. */
function trimEnd(word: string): string {
    let end = word.length;
    while (end > 0 && '.:!?'.includes(word[end - 1])) {
        end--;
    }
    return word.slice(0, end);
}

function find(pattern: RegExp, line: string, at: number): RegExpExecArray | undefined {
    pattern.lastIndex = at;
    return pattern.exec(line) ?? undefined;
}
