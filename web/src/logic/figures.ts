const DOLLARS = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' });
/** For what is less than ten cents: two digits that say something. */
const SMALL = new Intl.NumberFormat('en', { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 });
const WHOLE = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });

/** From so many dollars on, cents are exact enough. */
const CENTS_FROM = 0.1;
/** From so many on, a number is shortened. */
const COMPACT_FROM = 10_000;

/** `$1,234.50`; `$0.0038` where it is little. */
export function money(dollars: number): string {
    return dollars === 0 || dollars >= CENTS_FROM ? DOLLARS.format(dollars) : SMALL.format(dollars);
}

/** `1,234`. */
export function whole(count: number): string {
    return WHOLE.format(count);
}

/** `1,234`, `12.3K`. */
export function compact(count: number): string {
    return count < COMPACT_FROM ? WHOLE.format(count) : COMPACT.format(count);
}

/** `340 ms`, `1.2 s`, `2 min 5 s`. */
export function duration(microseconds: number): string {
    const milliseconds = Math.round(microseconds / 1000);
    if (milliseconds < 1000) {
        return `${milliseconds} ms`;
    }
    const seconds = milliseconds / 1000;
    if (seconds < 59.95) {
        return `${seconds.toFixed(1)} s`;
    }
    const rounded = Math.round(seconds);
    return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
}

/** A count with its noun. */
export function counted(count: number, one: string, more = `${one}s`): string {
    return `${whole(count)} ${count === 1 ? one : more}`;
}
