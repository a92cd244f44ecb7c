const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [['year', 31_536_000], ['month', 2_592_000], ['day', 86_400], ['hour', 3_600], ['minute', 60]];
const format = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** `3 hours ago`; `just now` within the minute. Both times in milliseconds. */
export function ago(then: number, now: number): string {
    const seconds = Math.round((then - now) / 1000);
    for (const [unit, size] of STEPS) {
        if (Math.abs(seconds) >= size) {
            return format.format(Math.trunc(seconds / size), unit);
        }
    }
    return 'just now';
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
