import type { BudgetState, UsageReport, UsageRow, UsageTotals } from 'coditect-shell';
import { expect, test } from 'vitest';
import { compact, counted, duration, money } from './figures';
import { barName, budgetShares, budgetText, chartOf, customPeriod, dayOf, exportAddress, limitText, meanFirstToken, periodOf, scaleEnd, seriesOf } from './usage';

const DAY = 86_400_000;
const NOON = Date.parse('2026-03-10T12:34:56Z');

const totals = (more: Partial<UsageTotals> = {}): UsageTotals =>
    ({ calls: 1, failures: 0, tokens: { input: 10, cached: 0, cache_write: 0, output: 5, reasoning: 0 }, cost: 0, first_token_us: 0, first_tokens: 0, total_us: 0, ...more });
const row = (day: number, of: string, cost: number, more: Partial<UsageRow> = {}): UsageRow => ({ at: Date.parse('2026-03-01T00:00:00Z') + day * DAY, of, totals: totals({ cost }), ...more });
const report = (rows: UsageRow[], by: UsageReport['by'] = 'model'): UsageReport => ({ step: 'day', by, rows, totals: totals() });

test.each([[0, '$0.00'], [0.000_37, '$0.00037'], [0.0375, '$0.038'], [0.1, '$0.10'], [1.005, '$1.01'], [1234.5, '$1,234.50']])('%d dollars are %s', (dollars, text) => {
    expect(money(dollars)).toBe(text);
});

test('counts and durations', () => {
    expect([999, 9_999, 12_345, 4_900_000].map(compact)).toEqual(['999', '9,999', '12.3K', '4.9M']);
    expect([340_000, 999_400, 1_200_000, 59_960_000, 125_000_000].map(duration)).toEqual(['340 ms', '999 ms', '1.2 s', '1 min 0 s', '2 min 5 s']);
    expect([counted(1, 'call'), counted(1_500, 'call'), counted(2, 'retry', 'retries')]).toEqual(['1 call', '1,500 calls', '2 retries']);
});

test('today is told by the hour from midnight here, days are those of UTC', () => {
    const today = periodOf('today', NOON);
    expect(today.step).toBe('hour');
    expect(new Date(today.from).getHours()).toBe(0);
    expect(today.to).toBe(Date.parse('2026-03-10T13:00:00Z'));
    const week = periodOf('7', NOON);
    expect([week.from, week.to].map(dayOf)).toEqual(['2026-03-04', '2026-03-11']);
    // A day that has just begun is there, too.
    expect(dayOf(periodOf('7', Date.parse('2026-03-10T00:00:00Z')).to)).toBe('2026-03-11');
});

test('from a day to a day, both included', () => {
    expect(customPeriod('2026-03-01', '2026-03-02')).toEqual({ from: Date.parse('2026-03-01T00:00:00Z'), to: Date.parse('2026-03-03T00:00:00Z'), step: 'hour' });
    expect(customPeriod('2026-03-01', '2026-03-03')?.step).toBe('day');
    expect([customPeriod('2026-03-02', '2026-03-01'), customPeriod('', '2026-03-01'), customPeriod('2026-03-01', '')]).toEqual([undefined, undefined, undefined]);
    // A year that is still being typed.
    expect([customPeriod('0002-03-01', '2026-03-01'), customPeriod('0002-03-01', '0002-03-02')]).toEqual([undefined, undefined]);
});

test('bars: one for each day, what is small together, nothing lost', () => {
    const rows = [...'abcdefg'].map((name, index) => row(1, name, 10 - index));
    const chart = chartOf(report([...rows, row(3, 'g', 100)]), { from: row(0, '', 0).at, to: row(4, '', 0).at, step: 'day' }, 'cost');
    expect(chart.series.map(({ name, tone }) => [name, tone])).toEqual([['g', 1], ['a', 2], ['b', 3], ['c', 4], ['d', 5], ['2 others', 0]]);
    expect(chart.bars.map(({ sum }) => sum)).toEqual([0, 49, 0, 100]);
    expect(chart.bars[1]?.values).toEqual([4, 10, 9, 8, 7, 11]);
    expect(chart.most).toBe(100);
    expect(chartOf(report([]), { from: 0, to: DAY, step: 'day' }, 'cost')).toMatchObject({ series: [], most: 0, bars: [{ sum: 0 }] });
});

test('what has no name gets one', () => {
    const names = (by: UsageReport['by']) => seriesOf(report([row(1, '', 1), row(1, 'id', 0, { name: 'website' })], by), 'cost').map(({ name }) => name);
    expect(names('workspace')).toEqual(['Outside of workspaces', 'website']);
    expect(names('agent')[0]).toBe('Unnamed');
});

test.each([[0, 1], [0.000_3, 0.000_3], [1, 1], [1.1, 1.5], [5.22, 6], [72, 80], [99, 100], [1_000, 1_000]])('a scale for %d ends at %d', (most, end) => {
    expect(scaleEnd(most)).toBeCloseTo(end, 9);
});

test('an average is told only where there is one', () => {
    expect(meanFirstToken(totals())).toBeUndefined();
    expect(meanFirstToken(totals({ first_token_us: 900_000, first_tokens: 2 }))).toBe('450 ms');
});

test('bars of days are named by the day of UTC, wherever the page is', () => {
    expect(barName(Date.parse('2026-03-01T00:00:00Z'), 'day', true)).toMatch(/March.*1|1.*March/);
});

test('where a file of all calls comes from', () => {
    const period = { from: 1, to: 2, step: 'day' } as const;
    expect(exportAddress(period, 'csv', { everybodys: false })).toBe('/api/v5/llm/calls/export?from=1&to=2&form=csv');
    expect(exportAddress(period, 'json', { everybodys: true })).toBe('/api/v5/admin/llm/calls/export?from=1&to=2&form=json');
    expect(exportAddress(period, 'json', { everybodys: true, user: 'a&b' })).toBe('/api/v5/admin/llm/calls/export?from=1&to=2&form=json&user=a%26b');
});

test('budgets never show more than there is', () => {
    const budget = (more: Partial<BudgetState>): BudgetState => ({ scope: 'person', of: 'u', limit: 10, period: 'month', spent: 0, reserved: 0, ...more });
    expect(budgetShares(budget({ spent: 2, reserved: 3 }))).toEqual({ spent: 0.2, held: 0.3, isScarce: false });
    expect(budgetShares(budget({ spent: 8, reserved: 30 }))).toMatchObject({ spent: 0.8, isScarce: true });
    expect(budgetShares(budget({ spent: 12 }))).toEqual({ spent: 1, held: 0, isScarce: true });
    expect(budgetShares(budget({ limit: 0 }))).toEqual({ spent: 1, held: 0, isScarce: true });
    expect(budgetText(budget({ spent: 1.5, reserved: 0.25 }))).toBe('$1.50 spent, $0.25 held of $10.00');
    expect(budgetText(budget({}))).toBe('$0.00 spent of $10.00');
    expect(limitText({ scope: 'person', requests_per_minute: 1 })).toBe('You: 1 request a minute');
    expect(limitText({ scope: 'token', requests_per_minute: 60, tokens_per_minute: 200_000 })).toBe('Each of your access tokens: 60 requests and 200,000 tokens a minute');
});
