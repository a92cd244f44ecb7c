import type { GitBlame, GitCommit } from './git-types';

/** Who changed which line of a file. */
export interface BlameLines {
    /** `undefined` for a line that is not committed. */
    commitAt(line: number): GitCommit | undefined;
    /** Whether the line before is of another commit. */
    isFirst(line: number): boolean;
}

export function blameLines({ commits, spans }: GitBlame): BlameLines {
    const find = (line: number): GitBlame['spans'][number] | undefined => {
        let low = 0;
        let high = spans.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if (spans[middle].line + spans[middle].lines <= line) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const span = spans[low];
        return span && span.line <= line ? span : undefined;
    };
    return {
        commitAt: line => {
            const commit = find(line)?.commit;
            return commit === undefined ? undefined : commits[commit];
        },
        isFirst: line => find(line)?.line === line
    };
}

/** Units of time by their length in seconds, the longest first. */
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] =
    [['year', 31_557_600], ['month', 2_629_800], ['week', 604_800], ['day', 86_400], ['hour', 3600], ['minute', 60]];
const FORMAT = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** How long ago something was, in words. */
export function relativeTime(time: number, now = Date.now()): string {
    const seconds = (now - time) / 1000;
    const unit = UNITS.find(([, length]) => seconds >= length);
    return unit ? FORMAT.format(-Math.floor(seconds / unit[1]), unit[0]) : 'just now';
}
