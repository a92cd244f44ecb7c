/** A line near a match. */
interface Line {
    readonly line: number;
    readonly text: string;
}

/** The lines around matches, by file. */
export class ContextLines {

    protected readonly files = new Map<string, Map<number, string>>();

    clear(): void {
        this.files.clear();
    }

    add(file: string, { context }: { readonly context: readonly Line[] }): void {
        if (context.length === 0) {
            return;
        }
        const lines = this.files.get(file) ?? new Map<number, string>();
        context.forEach(({ line, text }) => lines.set(line, text));
        this.files.set(file, lines);
    }

    /**
     * The lines shown before and after a line with matches that goes on for `span` lines, at most `most` each; `matches` are the lines of
     * all matches in the file. A line between two matches is shown once: behind the first of them, as far as that reaches.
     */
    around(file: string, line: number, span: number, matches: readonly number[], most: number): { before: string[], after: string[] } {
        const lines = this.files.get(file) ?? new Map<number, string>();
        const takenUntil = Math.max(0, ...matches.filter(other => other < line).map(other => other + most));
        const before: string[] = [];
        for (let at = Math.max(line - most, takenUntil + 1); at < line; at++) {
            const text = lines.get(at);
            if (text !== undefined) {
                before.push(text);
            }
        }
        const after: string[] = [];
        for (let at = line + span; at < line + span + most && lines.has(at); at++) {
            after.push(lines.get(at)!);
        }
        return { before, after };
    }
}
