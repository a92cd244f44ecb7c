import { beforeEach, expect, test, vi } from 'vitest';
import { person, refusal, session } from '../../test/account';
import { doing, named, one, render } from '../../test/render';
import { Admin } from './Admin';

const rust = vi.hoisted(() => ({ session: vi.fn(), pluginPolicy: vi.fn(), changePluginPolicy: vi.fn(), pluginsOverview: vi.fn(), listAllPublishers: vi.fn(), revokePublisherKey: vi.fn(), listPeople: vi.fn() }));
vi.mock('../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const figures = { calls: 1_200, failures: 3, busy_micros: 2_500_000, peak_memory_bytes: 4_000_000, denials: 7 };

const show = async () => {
    history.replaceState(null, '', '/admin/plugins');
    await render(<Admin />);
    await doing(() => undefined);
};
/** As `fill`, which only knows inputs. */
const write = (selector: string, value: string) => doing(() => {
    const area = one<HTMLTextAreaElement>(selector);
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value')?.set?.call(area, value);
    area.dispatchEvent(new Event('input', { bubbles: true }));
});

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session('ada', { role: 'admin' }));
    rust.listAllPublishers.mockResolvedValue({ publishers: [], next: undefined });
    rust.listPeople.mockResolvedValue({ people: [person('bob')], next: undefined });
    rust.pluginPolicy.mockResolvedValue({ block: [], publish: 'admins', files: false, private_hosts: false });
    rust.pluginsOverview.mockResolvedValue({ plugins: 2, versions: 5, loaded: 1, private_hosts: true, mirror_faults: [{ file: 'bad.coditect-plugin', reason: 'It is damaged.' }], usage: [{ plugin: 'acme.words', figures }] });
});

test('a list of what is allowed is kept only once it is right', async () => {
    await show();
    expect(named('Save').disabled).toBe(true);
    await doing(() => document.querySelectorAll<HTMLInputElement>('form [role=switch]')[0]?.click());
    await write('#plugins-allow', 'acme.*\nacme');
    expect(named('Save').disabled).toBe(true);
    expect(one('form > .problem').textContent).toContain('“acme”');
    await write('#plugins-allow', 'acme.*\n\nx.y');
    await write('#plugins-block', 'x.bad');
    rust.changePluginPolicy.mockImplementation(async policy => policy);
    await doing(() => named('Save').click());
    expect(rust.changePluginPolicy).toHaveBeenCalledExactlyOnceWith({ allow: ['acme.*', 'x.y'], block: ['x.bad'], publish: 'admins', files: false, private_hosts: false });
    expect(one('.good').textContent).toContain('Saved');
    expect(named('Save').disabled).toBe(true);
});

test('what the server refuses is shown, and nothing typed is lost', async () => {
    await show();
    await write('#plugins-block', 'x.bad');
    rust.changePluginPolicy.mockRejectedValue(refusal('plugins.policy_invalid'));
    await doing(() => named('Save').click());
    expect(one('.problem').textContent).toContain('plugins.policy_invalid');
    expect(one<HTMLTextAreaElement>('#plugins-block').value).toBe('x.bad');
});

test('figures and what is wrong in the mirror directory are shown', async () => {
    await show();
    expect([...document.querySelectorAll('.tile dd')].map(({ textContent }) => textContent)).toEqual(['2', '5', '1']);
    expect([...document.querySelectorAll('tbody td')].map(({ textContent }) => textContent)).toEqual(['1,200', '3', '2.5 s', '4.0 MB', '7']);
    expect(document.body.textContent).toContain('bad.coditect-plugin: It is damaged.');
});

test.each([
    ['on', true, false, false],
    ['off', false, false, true],
    ['off, but chosen before', false, true, false],
])('private networks are a choice where the server’s setting allows them: %s', async (_, may, chosen, disabled) => {
    rust.pluginPolicy.mockResolvedValue({ block: [], publish: 'admins', files: false, private_hosts: chosen });
    rust.pluginsOverview.mockResolvedValue({ plugins: 0, versions: 0, loaded: 0, private_hosts: may, mirror_faults: [], usage: [] });
    await show();
    expect([...document.querySelectorAll<HTMLInputElement>('form [role=switch]')].at(-1)?.disabled).toBe(disabled);
    expect(document.body.textContent.includes('plugin_private_hosts')).toBe(!may);
});

test('an admin sees whose each name is, and revokes the key of another', async () => {
    const key = { id: 'k1', public_key: 'BASE64', added_at: 1_000 };
    const of = (name: string, owner?: string) => ({ name, owner, keys: [{ ...key, id: `${name}-key` }], created_at: 1_000 });
    rust.listAllPublishers.mockImplementation(async after => after ? { publishers: [of('coditect')], next: null } : { publishers: [of('acme', 'id-bob'), of('gone', 'id-x')], next: 'gone' });
    await show();
    await doing(() => named('Show more').click());
    expect(rust.listAllPublishers).toHaveBeenLastCalledWith('gone');
    const names = [...document.querySelectorAll('.rows h3')].map(({ textContent, nextElementSibling }) => [textContent, nextElementSibling?.textContent]);
    expect(names).toEqual([['acme', 'Of bob'], ['gone', 'Of id-x'], ['coditect', 'Of nobody: admins decide about it.']]);
    expect(document.body.textContent).not.toContain('Show more');
    await doing(() => named('Revoke the key acme-key').click());
    await doing(() => named('Revoke it').click());
    expect(rust.revokePublisherKey).toHaveBeenCalledExactlyOnceWith('acme', 'acme-key');
});

test('who is no admin asks for nothing', async () => {
    rust.session.mockResolvedValue(session('bob'));
    await show();
    expect(rust.pluginPolicy).not.toHaveBeenCalled();
    expect(one('h1').textContent).toBe('Only for admins');
});
