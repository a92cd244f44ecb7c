import type { Policy } from 'coditect-shell';
import { expect, test } from 'vitest';
import { draftOf, isSame, newBudget, newId, policyOf, readText, rebase, textOf, whole, withPart, type Draft } from './policy';
import { entryOf, faultsOf } from './policy-faults';

const ID = '0190a6c8-7f5e-7c3a-8b1f-000000000001';
const OTHER = '0190a6c8-7f5e-7c3a-8b1f-000000000002';

const policy: Required<Policy> = {
    aliases: [{ name: 'fast', targets: [{ model: 'a/b', weight: 3 }, { model: 'a/c', weight: 0 }], fallbacks: ['d/e'] }],
    allowed: [{ role: 'member', models: ['a/*'] }],
    prices: [{ model: 'a/*', input: 0.5, output: 2, cached: 0, max_output_tokens: 100 }],
    budgets: [{ scope: 'instance', limit: 500, period: 'month' }, { scope: 'agent', of: 'codex', limit: 0.000_000_001, period: 'day' }],
    limits: [{ scope: 'person', requests_per_minute: 10 }],
    teams: [{ id: ID, name: 'Core', members: [OTHER] }],
};
/** What is wrong with a policy, as `field: fault`; fields by their last word. */
const faults = (of: Policy) => [...faultsOf(draftOf(of))].map(([field, fault]) => `${/[a-z-]+$/.exec(field)?.[0]}: ${fault}`);

test('a policy comes back from its form as it was', () => {
    expect(policyOf(draftOf(policy))).toEqual(policy);
    expect(faults(policy)).toEqual([]);
    expect(whole({})).toEqual({ aliases: [], allowed: [], prices: [], budgets: [], limits: [], teams: [] });
    expect(draftOf(policy).budgets[1]?.limit).toBe('0.000000001');
});

test('what the server leaves out is the same as what it would say', () => {
    expect(isSame(whole({ aliases: [{ name: 'x', targets: [{ model: 'a/b' }] }] }), whole({ teams: [], aliases: [{ targets: [{ weight: 1, model: 'a/b' }], fallbacks: [], name: 'x' }] }))).toBe(true);
});

test.each<[string, Policy, RegExp]>([
    ['an alias without a name', { aliases: [{ name: ' ', targets: [{ model: 'a/b' }] }] }, /name: Fill this in/],
    ['an alias twice', { aliases: [{ name: 'x', targets: [{ model: 'a/b' }] }, { name: 'x', targets: [{ model: 'a/b' }] }] }, /name: This name is there twice/],
    ['an alias that leads nowhere', { aliases: [{ name: 'x', targets: [] }] }, /add: It leads nowhere/],
    ['a target that is no model', { aliases: [{ name: 'x', targets: [{ model: 'gpt' }] }] }, /model: “gpt” is not one model/],
    ['a target with a star', { aliases: [{ name: 'x', targets: [{ model: 'a/*' }] }] }, /model: “a\/\*” is not one model/],
    ['a target that is an alias', { aliases: [{ name: 'x', targets: [{ model: 'y/z' }] }, { name: 'y/z', targets: [{ model: 'a/b' }] }] }, /model: “y\/z” is another of these names/],
    ['a fallback that is a target', { aliases: [{ name: 'x', targets: [{ model: 'a/b' }], fallbacks: ['a/b'] }] }, /fallbacks: “a\/b” is there twice/],
    ['weights that are all 0', { aliases: [{ name: 'x', targets: [{ model: 'a/b', weight: 0 }] }] }, /weight: All weights are 0/],
    ['a weight that is too large', { aliases: [{ name: 'x', targets: [{ model: 'a/b', weight: 1_000_001 }] }] }, /weight: A whole number from 0/],
    ['allowed models that are none', { allowed: [{ role: 'admin', models: ['gpt'] }] }, /models: “gpt” names no model/],
    ['a price twice', { prices: [{ model: 'a/b', input: 1, output: 1 }, { model: 'a/b', input: 1, output: 1 }] }, /model: There is a price/],
    ['no token for an answer', { prices: [{ model: 'a/b', input: 1, output: 1, max_output_tokens: 0 }] }, /max-output: A whole number from 1/],
    ['a budget of nobody', { budgets: [{ scope: 'person', of: 'me', limit: 1, period: 'day' }] }, /of: An identifier/],
    ['a budget of a team that is gone', { budgets: [{ scope: 'team', of: ID, limit: 1, period: 'day' }] }, /of: There is no such team/],
    ['a budget twice', { budgets: [{ scope: 'instance', limit: 1, period: 'day' }, { scope: 'instance', limit: 2, period: 'day' }] }, /period: There is a budget/],
    ['less than nothing', { budgets: [{ scope: 'instance', limit: -1, period: 'day' }] }, /limit: An amount/],
    ['a limit of nothing', { limits: [{ scope: 'person' }] }, /requests: It limits nothing/],
    ['a limit twice', { limits: [{ scope: 'person', requests_per_minute: 1 }, { scope: 'person', tokens_per_minute: 1 }] }, /scope: There is a limit/],
    ['somebody in two teams', { teams: [{ id: ID, name: 'A', members: [ID] }, { id: OTHER, name: 'B', members: [ID] }] }, /members: Somebody of them/],
    ['a team twice', { teams: [{ id: ID, name: 'A', members: [] }, { id: OTHER, name: 'A', members: [] }] }, /name: There is a team/],
])('%s is told beside the field', (_, of, expected) => {
    expect(faults(of).filter(fault => expected.test(fault))).toHaveLength(1);
});

test('a row that was just added asks for what is missing', () => {
    const draft: Draft = { ...draftOf({}), budgets: [newBudget()] };
    expect([...faultsOf(draft).keys()]).toEqual([`${draft.budgets[0]?.key}-limit`]);
});

test('a refusal leads to its entry, whatever stands before it in the form', () => {
    const draft = draftOf({ ...policy, allowed: [{ role: 'admin', models: ['x'] }] });
    expect(entryOf(draft, 'budgets[1]: no.')).toEqual({ part: 'budgets', key: draft.budgets[1]?.key });
    expect(entryOf(draft, 'allowed[0]: no.')).toEqual({ part: 'allowed', key: draft.allowed.find(({ role }) => role === 'admin')?.key });
    expect([entryOf(draft, 'budgets[7]: no.'), entryOf(draft, 'no.')]).toEqual([undefined, undefined]);
});

test('what somebody else saved comes in where nothing was typed; what both changed is told', () => {
    const mine = { ...draftOf(policy), limits: [], budgets: [] };
    const theirs: Policy = { ...policy, aliases: [], budgets: [{ scope: 'instance', limit: 1, period: 'day' }] };
    const { draft, disputed } = rebase(policy, mine, theirs);
    expect(policyOf(draft)).toEqual({ ...policy, aliases: [], limits: [], budgets: [] });
    expect(disputed).toEqual(['budgets']);
    expect(policyOf(withPart(draft, theirs, 'budgets')).budgets).toEqual(theirs.budgets);
    // Who typed the same does not dispute it.
    expect(rebase(policy, { ...draftOf(policy), aliases: [] }, theirs).disputed).toEqual([]);
});

test('a policy is read back from its text, and nothing of it is dropped in silence', () => {
    expect(readText(textOf(policy))).toEqual({ policy });
    expect(readText(JSON.stringify({ version: 3, policy }))).toEqual({ policy });
    expect(readText('{}')).toEqual({ policy: whole({}) });
    const fault = (text: string) => { const read = readText(text); return 'fault' in read ? read.fault : undefined; };
    expect(fault('{')).toContain('no JSON');
    expect(fault('7')).toContain('an object');
    expect(fault('{"alias":[]}')).toContain('no “alias”');
    expect(fault('{"aliases":{}}')).toContain('“aliases” is a list');
    expect(fault('{"aliases":[{}]}')).toContain('another form');
    expect(fault('{"allowed":[{"role":"guest","models":[]}]}')).toContain('allowed');
    expect(fault('{"budgets":[{"scope":"person","limit":1,"period":"day","off":true}]}')).toContain('budgets[0].off');
    expect(fault('{"budgets":[{"scope":"role","limit":1,"period":"day"}]}')).toContain('budgets[0]');
    expect(fault('{"limits":[{"scope":"agent","requests_per_minute":1}]}')).toContain('limits[0]');
});

test('identifiers are UUIDs of random bytes', () => {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(newId()).not.toBe(newId());
});
