import { beforeEach, expect, test, vi } from 'vitest';
import { person, refusal, rules, session } from '../../test/account';
import { call, inForce, modelKey, report } from '../../test/models';
import { doing, fill, named, one, render } from '../../test/render';
import { Admin } from './Admin';

const rust = vi.hoisted(() => ({
    session: vi.fn(), authConfig: vi.fn(), listPeople: vi.fn(), modelPolicy: vi.fn(), changeModelPolicy: vi.fn(), modelsThereAre: vi.fn(),
    listModelKeys: vi.fn(), addModelKey: vi.fn(), removeModelKey: vi.fn(), modelUsage: vi.fn(), modelCalls: vi.fn(),
}));
vi.mock('../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const show = async (path: string) => {
    history.replaceState(null, '', path);
    await render(<Admin />);
    await doing(() => undefined);
};
const save = () => doing(() => one<HTMLFormElement>('form.policy').requestSubmit());
const status = () => one('.save-bar [role=status]').textContent;
/** The field with a label, in the last entry of a part. */
const field = <T extends HTMLElement = HTMLInputElement>(part: string, label: string): T => {
    const entry = [...document.querySelectorAll(`[aria-labelledby="part-${part}"] .entry`)].at(-1);
    const id = [...entry?.querySelectorAll('label') ?? []].findLast(each => each.textContent === label)?.htmlFor;
    return one<T>(`#${id}`);
};
const choose = (select: HTMLSelectElement, value: string) => doing(() => {
    select.value = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
});
const CORE = '0190a6c8-7f5e-7c3a-8b1f-000000000001';
const policy = { aliases: [{ name: 'fast', targets: [{ model: 'a/b', weight: 1 }], fallbacks: [] }], allowed: [], prices: [], budgets: [], limits: [], teams: [{ id: CORE, name: 'Core', members: ['id-ada'] }] };

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session('ada', { role: 'admin' }));
    rust.authConfig.mockResolvedValue(rules);
    rust.listPeople.mockImplementation((after?: string) => Promise.resolve(after ? { people: [person('bob')], next: null } : { people: [person('ada')], next: 'id-ada' }));
    rust.modelPolicy.mockResolvedValue(inForce(policy));
    rust.modelsThereAre.mockResolvedValue({ models: [{ id: 'a/b', name: 'b', upstream: 'a' }], upstreams: [] });
    rust.changeModelPolicy.mockImplementation((change: { version: number }) => Promise.resolve({ ...change, version: change.version + 1 }));
});

test('a budget is added, mended where something is wrong, and saved with the version that was seen', async () => {
    await show('/admin/models');
    expect(one<HTMLButtonElement>('[type=submit]').disabled).toBe(true);
    await doing(() => named('Add a budget').click());
    expect(document.activeElement).toBe(field('budgets', 'For'));
    await save();
    expect(rust.changeModelPolicy).not.toHaveBeenCalled();
    const limit = field('budgets', 'Dollars');
    expect(document.activeElement).toBe(limit);
    expect(limit.getAttribute('aria-invalid')).toBe('true');
    expect(one(`#${limit.getAttribute('aria-describedby')}`).textContent).toContain('An amount in dollars');
    expect(status()).toBe('1 thing is to be mended.');
    await fill(`#${limit.id}`, '2.5');
    await choose(field<HTMLSelectElement>('budgets', 'Which'), 'id-bob');
    expect(status()).toBe('1 thing is to be mended.');
    // A person of a server has a UUID; those of these tests do not.
    await choose(field<HTMLSelectElement>('budgets', 'Which'), '');
    await choose(field<HTMLSelectElement>('budgets', 'Lasts'), 'day');
    await save();
    expect(rust.changeModelPolicy).toHaveBeenCalledExactlyOnceWith({ version: 7, policy: { ...policy, budgets: [{ scope: 'person', limit: 2.5, period: 'day' }] } });
    expect(status()).toBe('Saved. It counts from now on.');
    await doing(() => named('Remove the budget').click());
    expect(document.activeElement).toBe(named('Add a budget'));
    await save();
    expect(rust.changeModelPolicy).toHaveBeenLastCalledWith({ version: 8, policy });
});

test('another name with models, weights and fallbacks; who may ask what; teams of people', async () => {
    await show('/admin/models');
    expect([...document.querySelectorAll('datalist option')].map(option => option.getAttribute('value'))).toEqual(['a/b']);
    await doing(() => named('Add a name').click());
    await fill(`#${field('aliases', 'Name').id}`, 'clever');
    await fill(`#${field('aliases', 'Model').id}`, 'c/d');
    await doing(() => [...document.querySelectorAll<HTMLElement>('.targets .link')].at(-1)?.click());
    await fill(`#${field('aliases', 'Model').id}`, 'e/f');
    await fill(`#${field('aliases', 'Weight').id}`, '3');
    await doing(() => {
        const lines = field<HTMLTextAreaElement>('aliases', 'Fallbacks');
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')?.set?.call(lines, 'g/h\n\n i/j \n');
        lines.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await doing(() => document.querySelectorAll<HTMLInputElement>('[aria-labelledby=part-allowed] input')[0]?.click());
    await doing(() => named('Remove ada from Core').click());
    await choose(field<HTMLSelectElement>('teams', 'Members'), 'id-bob');
    await save();
    expect(rust.changeModelPolicy.mock.lastCall?.[0].policy).toEqual({
        ...policy,
        aliases: [...policy.aliases, { name: 'clever', targets: [{ model: 'c/d', weight: 1 }, { model: 'e/f', weight: 3 }], fallbacks: ['g/h', 'i/j'] }],
        allowed: [{ role: 'member', models: [] }],
        teams: [{ id: CORE, name: 'Core', members: ['id-bob'] }],
    });
});

test('who else saved meanwhile loses nothing, and neither does who typed', async () => {
    await show('/admin/models');
    await fill(`#${field('aliases', 'Name').id}`, 'quick');
    await doing(() => named('Add a price').click());
    await fill(`#${field('prices', 'Models').id}`, 'a/*');
    await fill(`#${field('prices', 'Read').id}`, '1');
    await fill(`#${field('prices', 'Written').id}`, '2');
    rust.changeModelPolicy.mockRejectedValueOnce(refusal('llm.policy_changed', 'conflict'));
    await save();
    const theirs = { ...policy, aliases: [], limits: [{ scope: 'person' as const, requests_per_minute: 9 }] };
    rust.modelPolicy.mockResolvedValue(inForce(theirs, 9));
    await doing(() => named('Load theirs and keep what I changed').click());
    expect(status()).toContain('Version 9 is loaded');
    expect(field('limits', 'Requests').value).toBe('9');
    expect(field('aliases', 'Name').value).toBe('quick');
    expect(field('prices', 'Models').value).toBe('a/*');
    expect(one('.warning').textContent).toContain('“Other names”');
    await doing(() => named('Take theirs').click());
    expect(document.querySelector('.warning')).toBeNull();
    await save();
    expect(rust.changeModelPolicy).toHaveBeenLastCalledWith({ version: 9, policy: { ...theirs, prices: [{ model: 'a/*', input: 1, output: 2 }] } });
});

test('a refusal of the server leads to its entry', async () => {
    await show('/admin/models');
    await fill(`#${field('aliases', 'Name').id}`, 'quick');
    rust.changeModelPolicy.mockRejectedValueOnce(refusal('llm.policy_invalid', 'invalid', 'aliases[0]: the name is taken.'));
    await save();
    expect(one('.entry.faulty .fault').textContent).toContain('the name is taken');
    expect(document.activeElement).toBe(one('.entry.faulty'));
    await fill(`#${field('aliases', 'Name').id}`, 'quicker');
    expect(document.querySelector('.entry.faulty')).toBeNull();
});

test('leaving with what is not saved is asked by the browser', async () => {
    await show('/admin/models');
    const leaves = () => !dispatchEvent(new Event('beforeunload', { cancelable: true }));
    expect(leaves()).toBe(false);
    await fill(`#${field('aliases', 'Name').id}`, 'quick');
    expect(leaves()).toBe(true);
    await doing(() => named('Undo all').click());
    expect(leaves()).toBe(false);
    expect(field('aliases', 'Name').value).toBe('fast');
});

test('experts read and write it as JSON, which says what is wrong with it', async () => {
    await show('/admin/models');
    await doing(() => named('As JSON').click());
    const text = one<HTMLTextAreaElement>('#policy-text');
    expect(JSON.parse(text.value)).toEqual(policy);
    const type = (value: string) => doing(() => {
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')?.set?.call(text, value);
        text.dispatchEvent(new Event('input', { bubbles: true }));
    });
    await type('{"alias":[]}');
    await doing(() => named('Put it into the form').click());
    expect(one('#policy-text-fault').textContent).toContain('“alias”');
    await type('{"limits":[{"scope":"person","requests_per_minute":5}]}');
    await doing(() => named('Put it into the form').click());
    expect(field('limits', 'Requests').value).toBe('5');
    expect(rust.changeModelPolicy).not.toHaveBeenCalled();
    await save();
    expect(rust.changeModelPolicy.mock.lastCall?.[0].policy).toMatchObject({ aliases: [], limits: [{ scope: 'person', requests_per_minute: 5 }] });
});

test('keys say whose they are, and are added for everybody, a team or a person', async () => {
    rust.listModelKeys.mockResolvedValue({ keys: [modelKey('Company'), modelKey('Team', { owner: { kind: 'team', id: CORE } }), modelKey('Own', { owner: { kind: 'person', id: 'id-bob' } })], upstreams: ['anthropic'] });
    await show('/admin/model-keys');
    expect(rust.listModelKeys).toHaveBeenCalledWith(true);
    expect([...document.querySelectorAll('.rows .facts')].map(facts => facts.children[1]?.textContent)).toEqual(['For everybody', 'For team Core', 'For bob']);
    await doing(() => named('Add a key').click());
    await choose(one<HTMLSelectElement>('#key-owner'), '1');
    await fill('#key-name', 'Ours');
    await fill('#key-secret', 'sk-1');
    rust.addModelKey.mockResolvedValue(modelKey('Ours'));
    await doing(() => one<HTMLFormElement>('dialog form').requestSubmit());
    expect(rust.addModelKey).toHaveBeenCalledExactlyOnceWith(true, { upstream: 'anthropic', name: 'Ours', key: 'sk-1', weight: 1, owner: { kind: 'team', id: CORE } });
});

test('everybody’s usage is told by person, too, and calls name who made them', async () => {
    rust.modelUsage.mockResolvedValue(report({ 'a/b': 1 }));
    rust.modelCalls.mockResolvedValue({ calls: [call('1', { user: 'id-bob' }), call('2', { user: 'id-gone' })] });
    await show('/admin/model-usage');
    await choose(one<HTMLSelectElement>('#usage-by'), 'person');
    expect(rust.modelUsage.mock.lastCall).toMatchObject([true, expect.any(Number), expect.any(Number), 'day', 'person', undefined]);
    expect([...document.querySelectorAll('[aria-label="Latest calls"] tbody tr')].map(row => row.querySelector('.below')?.textContent)).toEqual(['bob', 'id-gone']);
    // One person's alone.
    await choose(one<HTMLSelectElement>('#usage-person'), 'id-bob');
    expect(rust.modelUsage.mock.lastCall?.[5]).toBe('id-bob');
    expect(rust.modelCalls.mock.lastCall?.[4]).toBe('id-bob');
    await choose(one<HTMLSelectElement>('#usage-person'), '');
    expect(rust.modelUsage.mock.lastCall?.[5]).toBeUndefined();
});
