import type { Alias, AliasTarget, AllowedModels, Budget, BudgetPeriod, BudgetScope, Limit, LimitScope, ModelPrice, Policy, Role, Team } from 'coditect-shell';

/** Parts of a policy, in the order in which they are shown. */
export const PARTS = ['aliases', 'allowed', 'prices', 'budgets', 'limits', 'teams'] as const;
export type Part = (typeof PARTS)[number];

export const PART_NAMES: Readonly<Record<Part, string>> = {
    aliases: 'Other names', allowed: 'Who may ask what', prices: 'Prices', budgets: 'Budgets', limits: 'Limits', teams: 'Teams',
};

export const SCOPES: readonly (readonly [BudgetScope, string])[] = [['instance', 'Everybody together'], ['team', 'Team'], ['person', 'Person'], ['workspace', 'Workspace'], ['agent', 'Agent'], ['token', 'Access token']];
export const LIMIT_SCOPES: readonly (readonly [LimitScope, string])[] = [['team', 'Team'], ['person', 'Person'], ['token', 'Access token']];
export const SPANS: readonly (readonly [BudgetPeriod, string])[] = [['day', 'a day'], ['month', 'a month'], ['total', 'in all']];
export const ROLES: readonly (readonly [Role, string])[] = [['member', 'Members'], ['admin', 'Admins']];

/** Something that can be added and removed; `key` names it as long as the page is shown, and is how the ids of its fields begin. */
interface Row { key: string }

export interface TargetDraft extends Row { model: string; weight: string }
/** Fallbacks stand one a line. */
export interface AliasDraft extends Row { name: string; targets: TargetDraft[]; fallbacks: string }
/** Models stand one a line. */
export interface AllowedDraft extends Row { role: Role; isAll: boolean; models: string }
export interface PriceDraft extends Row { model: string; input: string; output: string; cached: string; cacheWrite: string; maxOutput: string }
/** `of` is empty for each of them. */
export interface BudgetDraft extends Row { scope: BudgetScope; of: string; limit: string; period: BudgetPeriod }
export interface LimitDraft extends Row { scope: LimitScope; of: string; requests: string; tokens: string }
export interface TeamDraft extends Row { id: string; name: string; members: string[] }

/** A policy as it is typed: what is no number yet has a place, too. */
export interface Draft {
    aliases: AliasDraft[];
    allowed: AllowedDraft[];
    prices: PriceDraft[];
    budgets: BudgetDraft[];
    limits: LimitDraft[];
    teams: TeamDraft[];
}

let rows = 0;
const key = () => `policy-${rows += 1}`;

export const newTarget = (): TargetDraft => ({ key: key(), model: '', weight: '1' });
export const newAlias = (): AliasDraft => ({ key: key(), name: '', targets: [newTarget()], fallbacks: '' });
export const newPrice = (): PriceDraft => ({ key: key(), model: '', input: '', output: '', cached: '', cacheWrite: '', maxOutput: '' });
export const newBudget = (): BudgetDraft => ({ key: key(), scope: 'person', of: '', limit: '', period: 'month' });
export const newLimit = (): LimitDraft => ({ key: key(), scope: 'person', of: '', requests: '', tokens: '' });
export const newTeam = (): TeamDraft => ({ key: key(), id: newId(), name: '', members: [] });

/** A random UUID; the browser's own is there only over TLS. */
export function newId(): string {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Lines with something in them. */
export function linesOf(text: string): string[] {
    return text.split('\n').map(line => line.trim()).filter(Boolean);
}

const typed = (number: number | null | undefined) => number === undefined || number === null ? '' : plain(number);

/** A number without an exponent, as people type it. */
function plain(number: number): string {
    const text = String(number);
    return text.includes('e') ? number.toFixed(9).replace(/\.?0+$/, '') : text;
}

/** A policy to be changed. */
export function draftOf(policy: Policy): Draft {
    return {
        aliases: (policy.aliases ?? []).map(({ name, targets, fallbacks }) => ({
            key: key(), name, targets: targets.map(({ model, weight }) => ({ key: key(), model, weight: typed(weight ?? 1) })), fallbacks: (fallbacks ?? []).join('\n'),
        })),
        allowed: ROLES.map(([role]) => {
            const models = policy.allowed?.find(each => each.role === role)?.models;
            return { key: key(), role, isAll: models === undefined, models: (models ?? []).join('\n') };
        }),
        prices: (policy.prices ?? []).map(({ model, input, output, cached, cache_write, max_output_tokens }) => ({
            key: key(), model, input: typed(input), output: typed(output), cached: typed(cached), cacheWrite: typed(cache_write), maxOutput: typed(max_output_tokens),
        })),
        budgets: (policy.budgets ?? []).map(({ scope, of, limit, period }) => ({ key: key(), scope, of: of ?? '', limit: typed(limit), period })),
        limits: (policy.limits ?? []).map(({ scope, of, requests_per_minute, tokens_per_minute }) => ({ key: key(), scope, of: of ?? '', requests: typed(requests_per_minute), tokens: typed(tokens_per_minute) })),
        teams: (policy.teams ?? []).map(({ id, name, members }) => ({ key: key(), id, name, members })),
    };
}

/** `{ [name]: number }`, or nothing where the field is empty. */
function optional<Name extends string>(name: Name, text: string): Partial<Record<Name, number>> {
    return text.trim() === '' ? {} : { [name]: Number(text) } as Record<Name, number>;
}

const someOf = (of: string) => of.trim() === '' ? {} : { of: of.trim() };

const target = ({ model, weight }: TargetDraft): AliasTarget => ({ model: model.trim(), weight: weight.trim() === '' ? 1 : Number(weight) });

/** What was typed as a policy; it is one only where `faultsOf` finds nothing. */
export function policyOf(draft: Draft): Required<Policy> {
    return {
        aliases: draft.aliases.map(({ name, targets, fallbacks }): Alias => ({ name: name.trim(), targets: targets.map(target), fallbacks: linesOf(fallbacks) })),
        allowed: draft.allowed.filter(({ isAll }) => !isAll).map(({ role, models }): AllowedModels => ({ role, models: linesOf(models) })),
        prices: draft.prices.map(({ model, input, output, cached, cacheWrite, maxOutput }): ModelPrice => ({
            model: model.trim(), input: Number(input), output: Number(output), ...optional('cached', cached), ...optional('cache_write', cacheWrite), ...optional('max_output_tokens', maxOutput),
        })),
        budgets: draft.budgets.map(({ scope, of, limit, period }): Budget => ({ scope, ...(scope !== 'instance' && someOf(of)), limit: Number(limit), period })),
        limits: draft.limits.map(({ scope, of, requests, tokens }): Limit => ({ scope, ...someOf(of), ...optional('requests_per_minute', requests), ...optional('tokens_per_minute', tokens) })),
        teams: draft.teams.map(({ id, name, members }): Team => ({ id, name: name.trim(), members })),
    };
}

/** Every part of it, written in one way. */
export function whole(policy: Policy): Required<Policy> {
    return policyOf(draftOf(policy));
}

/** A policy without what another order of names would change. */
const written = (value: unknown): string => JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part) ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => a < b ? -1 : 1)) : part);

/** Whether two policies say the same. */
export function isSame(a: unknown, b: unknown): boolean {
    return written(a) === written(b);
}

export interface Rebased {
    draft: Draft;
    /** Parts that both have changed, each in another way: what was typed here stands. */
    disputed: Part[];
}

/**
 * What was typed, on top of what somebody else saved meanwhile: a part that only they have changed is theirs, every other stays as it was
 * typed.
 */
export function rebase(base: Policy, draft: Draft, theirs: Policy): Rebased {
    const [before, mine, other] = [whole(base), policyOf(draft), whole(theirs)];
    const fresh = draftOf(theirs);
    const next: Draft = { ...draft };
    const disputed: Part[] = [];
    for (const part of PARTS) {
        if (isSame(mine[part], before[part])) {
            take(next, fresh, part);
        } else if (!isSame(other[part], before[part]) && !isSame(other[part], mine[part])) {
            disputed.push(part);
        }
    }
    return { draft: next, disputed };
}

function take<Of extends Part>(into: Draft, from: Draft, part: Of): void {
    into[part] = from[part];
}

/** A draft with one part as in another policy. */
export function withPart(draft: Draft, policy: Policy, part: Part): Draft {
    const next = { ...draft };
    take(next, draftOf(policy), part);
    return next;
}

/** A policy as people exchange it. */
export function textOf(policy: Policy): string {
    return `${JSON.stringify(policy, undefined, 2)}\n`;
}

/** Reads what `textOf` wrote, or the whole answer of the server; says what is wrong with anything else. */
export function readText(text: string): { policy: Policy } | { fault: string } {
    let value: unknown;
    try {
        value = JSON.parse(text);
    } catch (error) {
        return { fault: `This is no JSON: ${error instanceof Error ? error.message : String(error)}` };
    }
    const inner = isObject(value) && isObject(value.policy) ? value.policy : value;
    if (!isObject(inner)) {
        return { fault: 'A policy is an object: { "aliases": [ … ], … }.' };
    }
    const strange = Object.keys(inner).find(name => !PARTS.some(part => part === name));
    if (strange !== undefined) {
        return { fault: `A policy has no “${strange}”; it has ${PARTS.join(', ')}.` };
    }
    const noList = PARTS.find(part => inner[part] !== undefined && !(Array.isArray(inner[part]) && inner[part].every(isObject)));
    if (noList !== undefined) {
        return { fault: `“${noList}” is a list of objects.` };
    }
    try {
        const policy = whole(inner as Policy);
        const lost = lostOf(inner, policy) ?? unknownOf(policy);
        return lost === undefined ? { policy } : { fault: `A policy has no such entry as ${lost}.` };
    } catch {
        return { fault: 'An entry of it has another form than a policy has; compare it with an export.' };
    }
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Where something stands that was given and is not kept. */
function lostOf(given: unknown, kept: unknown, place = ''): string | undefined {
    const inner = (name: string, of: unknown, at: unknown) => of === null || of === undefined ? undefined : at === undefined ? name : lostOf(of, at, name);
    if (Array.isArray(given)) {
        return Array.isArray(kept) && kept.length === given.length ? first(given.map((one, index) => inner(`${place}[${index}]`, one, kept[index]))) : place;
    }
    return isObject(given) && isObject(kept) ? first(Object.entries(given).map(([name, one]) => inner(place ? `${place}.${name}` : name, one, kept[name]))) : undefined;
}

/** Where something of a kind stands that there is not. */
function unknownOf({ budgets, limits }: Required<Policy>): string | undefined {
    const has = (choices: readonly (readonly [string, string])[], word: string) => choices.some(([choice]) => choice === word);
    return first([
        ...budgets.map(({ scope, period }, index) => has(SCOPES, scope) && has(SPANS, period) ? undefined : `budgets[${index}]`),
        ...limits.map(({ scope }, index) => has(LIMIT_SCOPES, scope) ? undefined : `limits[${index}]`),
    ]);
}

const first = (found: (string | undefined)[]) => found.find(one => one !== undefined);
