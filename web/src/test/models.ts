import type { BudgetState, CallRecord, HistoryEntry, ModelKey, MyModels, PolicyInForce, UsageReport, UsageTotals } from 'coditect-shell';

/** What belongs to language models, for tests. */
export const budget = (more: Partial<BudgetState> = {}): BudgetState => ({ scope: 'person', of: 'id-ada', limit: 20, period: 'month', spent: 5, reserved: 0, renews_at: Date.now() + 86_400_000, ...more });
export const mine = (more: Partial<MyModels> = {}): MyModels => ({ allowed: ['*'], aliases: [], budgets: [], limits: [], keeps_content: false, ...more });

export const modelKey = (name: string, more: Partial<ModelKey> = {}): ModelKey =>
    ({ id: `id-${name}`, upstream: 'anthropic', name, hint: 'wxyz', weight: 1, owner: { kind: 'everybody' }, created_at: 1_000, state: 'ready', ...more });

export const totals = (more: Partial<UsageTotals> = {}): UsageTotals =>
    ({ calls: 2, failures: 0, tokens: { input: 1_000, cached: 0, cache_write: 0, output: 50, reasoning: 0 }, cost: 0.25, first_token_us: 800_000, first_tokens: 2, total_us: 3_000_000, ...more });

/** A report whose only calls are of the last hour. */
export const report = (names: Record<string, number>, more: Partial<UsageReport> = {}): UsageReport => {
    const at = Math.floor(Date.now() / 86_400_000) * 86_400_000;
    return { step: 'day', by: 'model', rows: Object.entries(names).map(([of, cost]) => ({ at, of, totals: totals({ cost }) })), totals: totals({ cost: Object.values(names).reduce((a, b) => a + b, 0) }), ...more };
};

export const call = (id: string, more: Partial<CallRecord> = {}): CallRecord => ({
    id, at: Date.now() - 60_000, user: 'id-ada', agent: 'codex', door: 'chat', asked: 'fast', model: 'a/b', tokens: { input: 1_234, cached: 0, cache_write: 0, output: 56, reasoning: 0 },
    estimated: false, cost: 0.0042, own_key: false, first_token_us: 420_000, total_us: 2_100_000, retries: 0, outcome: 'ok', ...more,
});

export const kept = (id: string, more: Partial<HistoryEntry> = {}): HistoryEntry => ({ id, at: Date.now() - 60_000, model: `a/${id}`, door: 'chat', bytes: 100, ...more });

export const inForce = (more: PolicyInForce['policy'] = {}, version = 7): PolicyInForce => ({ version, policy: more });
