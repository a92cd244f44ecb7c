const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60]];
const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** `3 hours ago`; `just now` within the minute. Both times in milliseconds. */
export function ago(then: number, now: number): string {
    return inWords(then - now, Math.trunc) ?? 'just now';
}

/** `in 3 days`; `in a moment` within the minute, `over` afterwards. Both times in milliseconds. */
export function until(then: number, now: number): string {
    // Rounded, so that what has just been made for 30 days is said to last 30 and not 29.
    return then <= now ? 'over' : inWords(then - now, Math.round) ?? 'in a moment';
}

/** A span in its largest unit; nothing below a minute. */
function inWords(milliseconds: number, whole: (count: number) => number): string | undefined {
    const seconds = Math.round(milliseconds / 1000);
    const step = STEPS.find(([, size]) => Math.abs(seconds) >= size);
    return step && format.format(whole(seconds / step[1]), step[0]);
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** `1.4 MB`. */
export function bytes(count: number): string {
    let value = count;
    let unit = 0;
    while (value >= 1000 && unit < UNITS.length - 1) {
        value /= 1000;
        unit += 1;
    }
    return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
