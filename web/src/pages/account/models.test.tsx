import { beforeEach, expect, test, vi } from 'vitest';
import { refusal, rules, session } from '../../test/account';
import { budget, call, kept, mine, modelKey, report, totals } from '../../test/models';
import { doing, fill, later, named, one, render } from '../../test/render';
import { Account } from './Account';

const rust = vi.hoisted(() => ({
    session: vi.fn(), authConfig: vi.fn(), myModels: vi.fn(), listTokens: vi.fn(), secondFactor: vi.fn(), listModelKeys: vi.fn(), addModelKey: vi.fn(), removeModelKey: vi.fn(), modelUsage: vi.fn(), modelCalls: vi.fn(),
    historySettings: vi.fn(), changeHistorySettings: vi.fn(), listHistory: vi.fn(), showHistory: vi.fn(), deleteHistory: vi.fn(), clearHistory: vi.fn(),
}));
vi.mock('../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const submit = () => doing(() => one<HTMLFormElement>('form').requestSubmit());
const show = async (path: string) => {
    history.replaceState(null, '', path);
    await render(<Account />);
    await doing(() => undefined);
};
const rows = () => [...document.querySelectorAll('.rows h2')].map(row => row.textContent?.trim());
const cells = (caption: string) => [...document.querySelectorAll(`[aria-label="${caption}"] tbody tr`)].map(row => [...row.children].map(cell => cell.textContent));
const choose = (selector: string, value: string) => doing(() => {
    const select = one<HTMLSelectElement>(selector);
    select.value = value;
    select.dispatchEvent(new Event('change', { bubbles: true }));
});

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session('ada'));
    rust.authConfig.mockResolvedValue(rules);
    rust.listModelKeys.mockResolvedValue({ keys: [], upstreams: ['anthropic', 'openai'] });
    rust.myModels.mockResolvedValue(mine());
    rust.modelUsage.mockResolvedValue(report({ 'a/b': 0.25, 'c/d': 1 }));
    rust.modelCalls.mockResolvedValue({ calls: [call('1')] });
    rust.historySettings.mockResolvedValue({ keeps_content: false, keep_days: 14 });
    rust.listHistory.mockResolvedValue({ entries: [] });
});

test('budgets tell what is spent and held, and when they begin anew', async () => {
    rust.myModels.mockResolvedValue(mine({ team: 'Core', allowed: ['a/*'], aliases: ['fast'], limits: [{ scope: 'person', requests_per_minute: 60 }], budgets: [budget({ spent: 5, reserved: 1 }), budget({ scope: 'team', period: 'total', limit: 10, spent: 9.9, renews_at: undefined as never })] }));
    await show('/account/models');
    const meters = [...document.querySelectorAll('[role=meter]')].map(meter => [meter.ariaLabel ?? meter.getAttribute('aria-label'), meter.getAttribute('aria-valuenow'), meter.getAttribute('aria-valuetext')]);
    expect(meters).toEqual([['You, a month', '30', '$5.00 spent, $1.00 held of $20.00'], ['Your team, in all', '99', '$9.90 spent of $10.00']]);
    expect(document.querySelectorAll('.spent.scarce')).toHaveLength(1);
    expect(document.querySelectorAll('.budgets time')).toHaveLength(1);
    expect(document.body.textContent).toContain('You: 60 requests a minute');
    expect([...document.querySelectorAll('.names code')].map(name => name.textContent)).toEqual(['a/*', 'fast']);
});

test('other programs find the doors of this very site', async () => {
    await show('/account/models');
    expect([...document.querySelectorAll('.door .secret')].map(address => address.textContent)).toEqual([`${location.origin}/api/v5/llm/v1`, `${location.origin}/api/v5/llm`, `${location.origin}/api/v5/llm`]);
    expect(document.body.textContent).toContain('All models that this server reaches.');
});

test('a link leads to a new token for models, and to none for anything else', async () => {
    rust.listTokens.mockResolvedValue([]);
    rust.secondFactor.mockResolvedValue({ enabled: false, recovery_codes_left: 0 });
    await show('/account/models');
    await doing(() => named('access token').click());
    expect([...document.querySelectorAll('dialog .check input:checked + span code')].map(scope => scope.textContent)).toEqual(['llm']);
    expect(location.pathname + location.search).toBe('/account/tokens');
    await doing(() => named('Cancel').click());
    expect(document.querySelector('dialog')).toBeNull();
    await render(null);
    await show('/account/tokens?scope=admin');
    expect(one('h1').textContent).toBe('Access tokens');
    expect(document.querySelector('dialog')).toBeNull();
});

test('a key is added for a provider, never shown, and forgotten after a question', async () => {
    await show('/account/models');
    await doing(() => named('Add a key').click());
    await choose('#key-server', 'openai');
    await fill('#key-name', ' Work ');
    await fill('#key-secret', ' sk-secret\n');
    await fill('#key-weight', '3');
    expect(one<HTMLInputElement>('#key-secret').type).toBe('password');
    rust.addModelKey.mockRejectedValueOnce(refusal('llm.key_invalid'));
    await submit();
    expect(one('#dialog-problem').textContent).toContain('llm.key_invalid');
    expect(one<HTMLInputElement>('#key-secret').value).toContain('sk-secret');
    const listed = later<unknown>();
    rust.listModelKeys.mockReturnValue(listed.promise);
    rust.addModelKey.mockResolvedValue(modelKey('Work', { upstream: 'openai', weight: 3, state: 'refused' }));
    await submit();
    // The person's own: nobody else is named.
    expect(rust.addModelKey).toHaveBeenLastCalledWith(false, { upstream: 'openai', name: 'Work', key: 'sk-secret', weight: 3 });
    expect(rows()).toEqual(['Work …wxyz Refused']);
    expect(document.body.innerHTML).not.toContain('sk-secret');
    rust.listModelKeys.mockResolvedValue({ keys: [], upstreams: ['anthropic'] });
    await doing(() => named('Forget Work (wxyz)').click());
    expect(rust.removeModelKey).not.toHaveBeenCalled();
    await doing(() => named('Forget it').click());
    expect(rust.removeModelKey).toHaveBeenCalledExactlyOnceWith(false, 'id-Work');
    expect(rows()).toEqual([]);
});

test('usage: sums, bars and tables say the same', async () => {
    await show('/account/usage');
    const [everybodys, from, to, step, by] = rust.modelUsage.mock.calls[0] ?? [];
    expect([everybodys, (to - from) / 86_400_000, step, by]).toEqual([false, 7, 'day', 'model']);
    expect([...document.querySelectorAll('.tile')].map(tile => tile.textContent)).toEqual(['Cost$1.25', 'Calls2', 'Tokens read1,000', 'Tokens written50', 'First token after400 mson average']);
    expect(one('svg[role=img] > title').textContent).toBe('Cost by model');
    expect(one('svg[role=img] > desc').textContent).toMatch(/^Highest: \$1\.25 at /);
    expect(document.querySelectorAll('svg[role=img] rect:not(.chart-slot)')).toHaveLength(2);
    expect(cells('Sums by model')).toEqual([['c/d', '2', '1,000', '50', '400 ms', '$1.00'], ['a/b', '2', '1,000', '50', '400 ms', '$0.25']]);
    expect(cells('Figures of each day')[0]?.slice(1)).toEqual(['$1.00', '$0.25', '$1.25']);
    await doing(() => named('Calls').click());
    expect(cells('Figures of each day')[0]?.slice(1)).toEqual(['2', '2', '4']);
    await choose('#usage-period', 'today');
    await choose('#usage-by', 'agent');
    expect(rust.modelUsage.mock.lastCall?.slice(3)).toEqual(['hour', 'agent', undefined]);
    // What is shown was chosen once.
    expect(named('Calls').getAttribute('aria-pressed')).toBe('true');
});

test('a time of one’s own is asked for once it is one', async () => {
    await show('/account/usage');
    await choose('#usage-period', 'custom');
    await fill('#usage-from', '2026-03-05');
    await fill('#usage-to', '2026-03-01');
    expect(one('.section-content .problem').textContent).toContain('the earlier one first');
    await fill('#usage-to', '2026-03-06');
    expect(rust.modelUsage).toHaveBeenLastCalledWith(false, Date.parse('2026-03-05T00:00:00Z'), Date.parse('2026-03-07T00:00:00Z'), 'hour', 'model', undefined);
});

test('models that cost nothing are told by their tokens', async () => {
    rust.modelUsage.mockResolvedValue(report({ 'local/a': 0 }, { totals: totals({ cost: 0 }) }));
    await show('/account/usage');
    expect(one('svg[role=img] > title').textContent).toBe('Tokens by model');
    rust.modelUsage.mockResolvedValue(report({}));
    await choose('#usage-period', '30');
    expect(document.body.textContent).toContain('No model was asked in this time.');
});

test('calls come in pages, also where one of them is empty', async () => {
    rust.modelCalls.mockResolvedValue({ calls: [call('1', { outcome: 'broke_off', code: 'llm.bad_stream', retries: 2, estimated: true }), call('0', { model: '', asked: 'nobody/has-it', outcome: 'refused', code: 'llm.unknown_model' })], next: 'p2' });
    await show('/account/usage');
    expect(cells('Latest calls')[0]?.slice(1)).toEqual(['a/bcodexBroke off llm.bad_stream2 retries', '≈\u20091,234', '≈\u200956', '$0.0042', '2.1 sfirst 420 ms']);
    // Where nobody was asked, what was asked for stands there.
    expect(cells('Latest calls')[1]?.[1]).toBe('nobody/has-itcodexRefused llm.unknown_model');
    rust.modelCalls.mockResolvedValue({ calls: [], next: 'p3' });
    await doing(() => named('Show more').click());
    expect(rust.modelCalls.mock.lastCall?.[3]).toBe('p2');
    rust.modelCalls.mockResolvedValue({ calls: [call('2')] });
    await doing(() => named('Show more').click());
    expect(rust.modelCalls.mock.lastCall?.[3]).toBe('p3');
    expect(cells('Latest calls')).toHaveLength(3);
    expect([...document.querySelectorAll('button')].some(button => button.textContent === 'Show more')).toBe(false);
});

test('a file is fetched by the browser, with a login that was just renewed', async () => {
    await show('/account/usage');
    const went: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) { went.push(this.getAttribute('href') ?? ''); });
    rust.session.mockClear();
    await doing(() => named('Download CSV').click());
    expect(rust.session).toHaveBeenCalledOnce();
    expect(went).toHaveLength(1);
    expect(went[0]).toMatch(/^\/api\/v5\/llm\/calls\/export\?from=\d+&to=\d+&form=csv$/);
    rust.session.mockRejectedValue(refusal('network.unreachable', 'unavailable'));
    await doing(() => named('Download JSON').click());
    expect(went).toHaveLength(1);
    expect(one('.section-content .problem').textContent).toContain('network.unreachable');
});

test('nothing is kept unless the person says so; switching it off is asked, for it deletes', async () => {
    await show('/account/history');
    expect(one('.consent .hint').textContent).toContain('deleted after 14 days.');
    expect(one<HTMLInputElement>('[role=switch]').checked).toBe(false);
    rust.changeHistorySettings.mockResolvedValue({ keeps_content: true, keep_days: 14 });
    rust.historySettings.mockResolvedValue({ keeps_content: true, keep_days: 14 });
    rust.listHistory.mockResolvedValue({ entries: [kept('1')] });
    await doing(() => one('[role=switch]').click());
    expect(rust.changeHistorySettings).toHaveBeenLastCalledWith({ keeps_content: true });
    expect(one<HTMLInputElement>('[role=switch]').checked).toBe(true);
    expect(rows()).toEqual(['a/1']);
    await doing(() => one('[role=switch]').click());
    expect(rust.changeHistorySettings).toHaveBeenCalledOnce();
    rust.changeHistorySettings.mockResolvedValue({ keeps_content: false, keep_days: 14 });
    rust.historySettings.mockResolvedValue({ keeps_content: false, keep_days: 14 });
    rust.listHistory.mockResolvedValue({ entries: [] });
    await doing(() => named('Delete it all').click());
    expect(rust.changeHistorySettings).toHaveBeenLastCalledWith({ keeps_content: false });
    expect(one<HTMLInputElement>('[role=switch]').checked).toBe(false);
    expect(rows()).toEqual([]);
});

test('what was said is text, whatever it holds; one or all of it is deleted after a question', async () => {
    rust.historySettings.mockResolvedValue({ keeps_content: true, keep_days: 14 });
    rust.listHistory.mockResolvedValue({ entries: [kept('1'), kept('2')], next: '2' });
    await show('/account/history');
    rust.listHistory.mockResolvedValue({ entries: [kept('3')] });
    await doing(() => named('Show more').click());
    expect(rust.listHistory).toHaveBeenLastCalledWith('2');
    expect(rows()).toEqual(['a/1', 'a/2', 'a/3']);
    rust.showHistory.mockResolvedValue({ entry: kept('1'), question: '{"messages":[{"role":"user","content":"<img src=x onerror=alert(1)>"}]}', answer: '<script>alert(1)</script> […]' });
    await doing(() => document.querySelector<HTMLElement>('.rows [aria-label^="Show what a/1"]')?.click());
    expect(rust.showHistory).toHaveBeenCalledExactlyOnceWith('1');
    expect(document.querySelectorAll('dialog img, dialog script')).toHaveLength(0);
    expect(one('dialog .role').textContent).toBe('user');
    expect([...document.querySelectorAll('dialog pre')].at(-1)?.textContent).toBe('<script>alert(1)</script> […]');
    await doing(() => named('Done').click());
    await doing(() => document.querySelector<HTMLElement>('.rows [aria-label^="Delete what a/2"]')?.click());
    await doing(() => named('Delete it').click());
    expect(rust.deleteHistory).toHaveBeenCalledExactlyOnceWith('2');
    expect(rows()).toEqual(['a/1', 'a/3']);
    rust.listHistory.mockResolvedValue({ entries: [] });
    await doing(() => named('Delete all').click());
    expect(rust.clearHistory).not.toHaveBeenCalled();
    await doing(() => named('Delete them').click());
    expect(rust.clearHistory).toHaveBeenCalledOnce();
    expect(rows()).toEqual([]);
});
