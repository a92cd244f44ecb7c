import type { BudgetState, Limit, Step, UsageBy, UsageReport, UsageTotals } from 'coditect-shell';
import { counted, duration, money, whole } from './figures';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Up to so many days are shown by the hour. */
const HOURLY_UP_TO_DAYS = 2;
/** Longest time that the server reports on, in days. */
const MAX_DAYS = 2_232;
/** Parts of a bar that get a colour of their own; what is left is shown together. */
export const MAX_SERIES = 5;
/** Of a budget: from this share on it is said to run out. */
const SCARCE_FROM = 0.9;

/** Times in milliseconds since 1970; `to` is the first no longer. */
export interface Period {
    from: number;
    to: number;
    step: Step;
}

/** Whose calls are told of: one's own, or as an admin everybody's, or one person's. */
export interface Whose {
    everybodys: boolean;
    user?: string | undefined;
}

export type PeriodChoice = 'today' | '7' | '30' | 'custom';

export const PERIODS: readonly (readonly [PeriodChoice, string])[] = [['today', 'Today'], ['7', 'Last 7 days'], ['30', 'Last 30 days'], ['custom', 'From … to …']];

export const OWN_WAYS: readonly (readonly [UsageBy, string])[] = [['model', 'Model'], ['agent', 'Agent'], ['workspace', 'Workspace']];
export const ALL_WAYS: readonly (readonly [UsageBy, string])[] = [...OWN_WAYS, ['person', 'Person']];

/** The period of a choice. Days are those of UTC, as the server counts them; hours are the same everywhere. */
export function periodOf(choice: Exclude<PeriodChoice, 'custom'>, now: number): Period {
    if (choice === 'today') {
        const midnight = new Date(now).setHours(0, 0, 0, 0);
        return { from: midnight, to: ceil(now, HOUR_MS), step: 'hour' };
    }
    const to = ceil(now, DAY_MS);
    return { from: to - Number(choice) * DAY_MS, to, step: 'day' };
}

/** From a day to a day, both included and both as `2026-03-01`; nothing where they are no days, in the wrong order or too far apart. */
export function customPeriod(first: string, last: string): Period | undefined {
    const [from, to] = [Date.parse(`${first}T00:00:00Z`), Date.parse(`${last}T00:00:00Z`) + DAY_MS];
    if (!(from >= 0 && from < to && to - from <= MAX_DAYS * DAY_MS)) {
        return undefined;
    }
    return { from, to, step: to - from <= HOURLY_UP_TO_DAYS * DAY_MS ? 'hour' : 'day' };
}

/** A day of UTC as a date field has it. */
export function dayOf(time: number): string {
    return new Date(time).toISOString().slice(0, 10);
}

/** The first whole step after a time. */
function ceil(time: number, step: number): number {
    return (Math.floor(time / step) + 1) * step;
}

export type Measure = 'cost' | 'tokens' | 'calls';

export const MEASURES: readonly (readonly [Measure, string])[] = [['cost', 'Cost'], ['tokens', 'Tokens'], ['calls', 'Calls']];

/** What is measured of some calls. */
export function measured(totals: UsageTotals, measure: Measure): number {
    switch (measure) {
        case 'cost': return totals.cost;
        case 'tokens': return totals.tokens.input + totals.tokens.output;
        case 'calls': return totals.calls;
    }
}

/** Until the first token on average; nothing where it is not known of any. */
export function meanFirstToken({ first_token_us: sum, first_tokens: count }: UsageTotals): string | undefined {
    return count > 0 ? duration(sum / count) : undefined;
}

/** What is told apart: a model, an agent, a workspace or a person, or the rest of them together. */
export interface Series {
    of: string;
    name: string;
    totals: UsageTotals;
    /** Its colour: from 1 on, and 0 for the rest. */
    tone: number;
}

export interface Bar {
    at: number;
    /** Of each series, in their order. */
    values: number[];
    sum: number;
}

export interface Chart {
    series: Series[];
    bars: Bar[];
    /** Of the highest bar. */
    most: number;
}

const NONE: UsageTotals = { calls: 0, failures: 0, tokens: { input: 0, cached: 0, cache_write: 0, output: 0, reasoning: 0 }, cost: 0, first_token_us: 0, first_tokens: 0, total_us: 0 };

function together(a: UsageTotals, b: UsageTotals): UsageTotals {
    const [x, y] = [a.tokens, b.tokens];
    return {
        calls: a.calls + b.calls,
        failures: a.failures + b.failures,
        tokens: { input: x.input + y.input, cached: x.cached + y.cached, cache_write: x.cache_write + y.cache_write, output: x.output + y.output, reasoning: x.reasoning + y.reasoning },
        cost: a.cost + b.cost,
        first_token_us: a.first_token_us + b.first_token_us,
        first_tokens: a.first_tokens + b.first_tokens,
        total_us: a.total_us + b.total_us,
    };
}

/** How a report calls what has no name. */
const NAMELESS: Readonly<Record<UsageBy, string>> = { model: 'No model', agent: 'Unnamed', workspace: 'Outside of workspaces', person: 'Somebody' };

/** All that a report tells apart, what was measured most first. */
export function seriesOf(report: UsageReport, measure: Measure): Series[] {
    const sums = new Map<string, Series>();
    for (const { of, name, totals } of report.rows) {
        const known = sums.get(of);
        sums.set(of, { of, name: name || of || NAMELESS[report.by], totals: together(known?.totals ?? NONE, totals), tone: 0 });
    }
    const sorted = [...sums.values()].toSorted((a, b) => measured(b.totals, measure) - measured(a.totals, measure) || a.name.localeCompare(b.name));
    return sorted.map((series, index) => ({ ...series, tone: index < MAX_SERIES ? index + 1 : 0 }));
}

/** A report as bars: one for each step, of the series that are large, and of all others together. */
export function chartOf(report: UsageReport, { from, to }: Period, measure: Measure): Chart {
    const all = seriesOf(report, measure);
    const shown = all.filter(({ tone }) => tone > 0);
    const rest = all.slice(shown.length);
    const series = rest.length > 0 ? [...shown, { of: '', name: counted(rest.length, 'other'), totals: rest.map(each => each.totals).reduce(together, NONE), tone: 0 }] : shown;
    const place = new Map(shown.map(({ of }, index) => [of, index]));
    const length = report.step === 'hour' ? HOUR_MS : DAY_MS;
    const bars = new Map<number, Bar>();
    for (let at = Math.floor(from / length) * length; at < to; at += length) {
        bars.set(at, { at, values: series.map(() => 0), sum: 0 });
    }
    for (const { at, of, totals } of report.rows) {
        const bar = bars.get(at);
        const index = place.get(of) ?? series.length - 1;
        if (bar) {
            const value = measured(totals, measure);
            bar.values[index] = (bar.values[index] ?? 0) + value;
            bar.sum += value;
        }
    }
    const drawn = [...bars.values()];
    return { series, bars: drawn, most: Math.max(0, ...drawn.map(({ sum }) => sum)) };
}

/** The next number that a scale may end at: one with an even half. */
export function scaleEnd(most: number): number {
    if (!(most > 0)) {
        return 1;
    }
    const power = 10 ** Math.floor(Math.log10(most));
    return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map(times => times * power).find(end => end >= most * (1 - Number.EPSILON)) ?? most;
}

/** When a bar begins: a day of UTC, or an hour here. */
export function barName(at: number, step: Step, isLong = false): string {
    const date = new Date(at);
    return step === 'day'
        ? date.toLocaleDateString(undefined, { timeZone: 'UTC', day: 'numeric', month: isLong ? 'long' : 'short', ...(isLong && { year: 'numeric' }) })
        : date.toLocaleString(undefined, { hour: '2-digit', minute: '2-digit', ...(isLong && { day: 'numeric', month: 'long' }) });
}

/** Where all calls of a period can be had as a file. */
export function exportAddress({ from, to }: Period, form: 'csv' | 'json', { everybodys, user }: Whose): string {
    const query = new URLSearchParams({ from: String(from), to: String(to), form, ...(user !== undefined && { user }) });
    return `/api/v5/${everybodys ? 'admin/' : ''}llm/calls/export?${query.toString()}`;
}

const SCOPES: Readonly<Record<BudgetState['scope'], string>> = {
    instance: 'Everybody on this server', team: 'Your team', person: 'You', workspace: 'This workspace', agent: 'This agent', token: 'This token',
};
const FOR: Readonly<Record<BudgetState['period'], string>> = { day: 'a day', month: 'a month', total: 'in all' };

/** Whose budget it is, and for how long. */
export function budgetName({ scope, period }: Pick<BudgetState, 'scope' | 'period'>): string {
    return `${SCOPES[scope]}, ${FOR[period]}`;
}

/** How much of a budget is gone, as shares that are 1 at the most together, and whether little is left. */
export function budgetShares({ spent, reserved, limit }: BudgetState): { spent: number; held: number; isScarce: boolean } {
    if (limit <= 0) {
        return { spent: 1, held: 0, isScarce: true };
    }
    const gone = Math.min(1, spent / limit);
    const held = Math.min(1 - gone, reserved / limit);
    return { spent: gone, held, isScarce: gone + held >= SCARCE_FROM };
}

/** What of a budget is gone, in words. */
export function budgetText({ spent, reserved, limit }: BudgetState): string {
    return `${money(spent)} spent${reserved > 0 ? `, ${money(reserved)} held` : ''} of ${money(limit)}`;
}

/** What a limit allows. */
export function limitText({ scope, requests_per_minute: requests, tokens_per_minute: tokens }: Limit): string {
    const allowed = [requests !== undefined && counted(requests, 'request'), tokens !== undefined && `${whole(tokens)} tokens`].filter(text => text !== false);
    return `${LIMITED[scope]}: ${allowed.join(' and ')} a minute`;
}

const LIMITED: Readonly<Record<Limit['scope'], string>> = { team: 'Your team', person: 'You', token: 'Each of your access tokens' };
