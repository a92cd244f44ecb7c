import { beforeEach, expect, test, vi } from 'vitest';
import { refusal, session } from '../../../test/account';
import { consent, entry, installed, manifest, published, review, right } from '../../../test/plugins';
import { doing, fill, named, one, render } from '../../../test/render';
import { workspace } from '../../../test/workspace';
import { Account } from '../Account';

const rust = vi.hoisted(() => ({
    session: vi.fn(), listWorkspaces: vi.fn(), listInstalledPlugins: vi.fn(), searchPlugins: vi.fn(), showPlugin: vi.fn(), listPublishers: vi.fn(), addPublisherKey: vi.fn(), revokePublisherKey: vi.fn(),
    reviewPlugin: vi.fn(), reviewPluginFile: vi.fn(), installPlugin: vi.fn(), changePlugin: vi.fn(), uninstallPlugin: vi.fn(), pluginLog: vi.fn(),
    consentInWords: vi.fn(), grantsInWords: vi.fn(), stateInWords: vi.fn(), addsInWords: vi.fn(), denialInWords: vi.fn(), readMarkdown: vi.fn(), installedAssetUrl: vi.fn(), pluginAssetUrl: vi.fn(), takeBackPlugin: vi.fn(), registryLog: vi.fn(),
}));
vi.mock('../../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const show = async (query = '') => {
    history.replaceState(null, '', `/account/plugins${query}`);
    await render(<Account />);
    await doing(() => vi.advanceTimersByTime(1_000));
    await doing(() => undefined);
};
const there = (...plugins: ReturnType<typeof installed>[]) => rust.listInstalledPlugins.mockResolvedValue({ plugins });

beforeEach(() => {
    vi.resetAllMocks();
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    rust.session.mockResolvedValue(session('ada'));
    rust.listWorkspaces.mockResolvedValue([workspace('one'), workspace('two')]);
    there();
    rust.searchPlugins.mockResolvedValue({ plugins: [], next: undefined });
    rust.listPublishers.mockResolvedValue([]);
    rust.stateInWords.mockReturnValue({ label: 'Ready', detail: '', is_bad: false });
    rust.grantsInWords.mockReturnValue([]);
    rust.addsInWords.mockReturnValue(['Commands: Go']);
    rust.pluginLog.mockResolvedValue({ lines: [], denials: [] });
    rust.showPlugin.mockResolvedValue(published('acme.words'));
    return () => vi.useRealTimers();
});

test('nothing is installed before its rights were seen, and what is switched off is not granted', async () => {
    rust.searchPlugins.mockResolvedValue({ plugins: [entry('acme.words'), entry('acme.bad', { allowed: false })], next: undefined });
    await show('?workspace=id-two');
    expect(rust.listInstalledPlugins).toHaveBeenLastCalledWith('id-two');
    expect(named('Install Title of acme.bad').disabled).toBe(true);
    const seen = review('acme.words', { consent: 'hash' });
    rust.reviewPlugin.mockResolvedValue(seen);
    rust.consentInWords.mockReturnValue(consent({
        rights: [right('files.write', { subjects: [{ text: 'docs/**', is_new: false }] }), right('http', { subjects: [{ text: 'a.example', is_new: false }] })], warnings: ['Together, these let it send.'],
    }));
    await doing(() => named('Install Title of acme.words').click());
    expect(rust.reviewPlugin).toHaveBeenCalledWith('id-two', { source: 'registry', id: 'acme.words', version: undefined });
    expect(rust.installPlugin).not.toHaveBeenCalled();
    const dialog = one('dialog').textContent ?? '';
    for (const words of ['May files.write', 'docs/**', 'Because.', 'Together, these let it send.', 'Signed by acme.']) {
        expect(dialog).toContain(words);
    }
    await doing(() => document.querySelectorAll<HTMLInputElement>('dialog [role=switch]')[1]?.click());
    rust.installPlugin.mockResolvedValue(installed('acme.words', { granted: ['files.write'] }));
    await doing(() => named('Agree and install').click());
    expect(rust.installPlugin).toHaveBeenCalledExactlyOnceWith({ workspace: 'id-two', source: 'registry', id: 'acme.words', version: undefined, consent: 'hash', grant: ['files.write'] });
    expect(document.querySelector('dialog')).toBeNull();
});

test('who leaves the question has nothing installed; what the server refuses is shown', async () => {
    rust.searchPlugins.mockResolvedValue({ plugins: [entry('acme.words')], next: undefined });
    await show();
    rust.reviewPlugin.mockResolvedValue(review('acme.words'));
    rust.consentInWords.mockReturnValue(consent());
    await doing(() => named('Install Title of acme.words').click());
    await doing(() => named('Cancel').click());
    expect(rust.installPlugin).not.toHaveBeenCalled();
    rust.reviewPlugin.mockRejectedValue(refusal('plugins.not_allowed', 'forbidden'));
    await doing(() => named('Install Title of acme.words').click());
    expect(one('.problem').textContent).toContain('plugins.not_allowed');
});

test('an update that asks for more marks what is new', async () => {
    const newer = review('acme.words', { manifest: manifest('acme.words', { version: '2.0.0' }), installed: '1.0.0' });
    const plugin = installed('acme.words', { update: newer });
    there(plugin);
    await show();
    rust.consentInWords.mockReturnValue(consent({
        agree: 'Agree and update', is_known_publisher: false, rights: [right('http', { is_new: true, subjects: [{ text: 'old.example', is_new: false }, { text: 'new.example', is_new: true }] }), right('clock')],
    }));
    await doing(() => named('Update Title of acme.words to 2.0.0').click());
    expect(rust.consentInWords).toHaveBeenCalledWith(newer, plugin);
    expect([...document.querySelectorAll('dialog ins')].map(({ textContent }) => textContent)).toEqual(['new.example']);
    expect(document.querySelectorAll('dialog .badge')).toHaveLength(1);
    expect(one('dialog p.problem').textContent).toBe('Signed by acme.');
    rust.installPlugin.mockResolvedValue(installed('acme.words'));
    await doing(() => named('Agree and update').click());
    expect(rust.installPlugin).toHaveBeenCalledWith(expect.objectContaining({ source: 'registry', id: 'acme.words', version: '2.0.0', consent: 'seen', grant: ['http', 'clock'] }));
});

test('a file is looked at before it is installed', async () => {
    await show();
    const file = new File(['x'], 'words.coditect-plugin');
    rust.reviewPluginFile.mockResolvedValue(review('acme.words', { sha256: 'abcd' }));
    rust.consentInWords.mockReturnValue(consent());
    const input = one<HTMLInputElement>('input[type=file]');
    Object.defineProperty(input, 'files', { value: [file], configurable: true });
    await doing(() => input.dispatchEvent(new Event('change', { bubbles: true })));
    expect(rust.reviewPluginFile).toHaveBeenCalledWith('id-one', file);
    rust.installPlugin.mockResolvedValue(installed('acme.words'));
    await doing(() => named('Agree and install').click());
    expect(rust.installPlugin).toHaveBeenCalledWith(expect.objectContaining({ source: 'file', sha256: 'abcd' }));
});

test('a right is revoked with one click, and a denial leads to granting it', async () => {
    there(installed('acme.words', { granted: ['http', 'clock'] }));
    rust.grantsInWords.mockReturnValue([right('http', { granted: true }), right('clock', { granted: true }), right('files.write')]);
    rust.pluginLog.mockResolvedValue({ lines: [{ at: 1_000, level: 'info', text: '<b>hello</b>' }], denials: [{ at: 1_000, capability: 'files.write', subject: 'src/x', count: 2 }] });
    rust.denialInWords.mockReturnValue({ capability: 'files.write', text: 'Was denied: files.write src/x, 2 times.', advice: 'Grant it.', can_grant: true });
    await show('?plugin=acme.words');
    expect(one('.log').textContent).toContain('<b>hello</b>');
    rust.changePlugin.mockResolvedValue(installed('acme.words', { granted: ['clock'] }));
    await doing(() => document.querySelectorAll<HTMLInputElement>('.rights [role=switch]')[0]?.click());
    expect(rust.changePlugin).toHaveBeenLastCalledWith('id-one', 'acme.words', { granted: ['clock'] });
    await doing(() => named('Grant files.write').click());
    expect(rust.changePlugin.mock.lastCall?.[2].granted).toContain('files.write');
});

test('what failed can be switched on again; uninstalling is asked about', async () => {
    there(installed('acme.words', { state: 'failed', reason: 'out of memory' } as never));
    rust.stateInWords.mockReturnValue({ label: 'Failed', detail: 'It failed too often.', is_bad: true });
    await show('?plugin=acme.words');
    expect(one('.card .problem').textContent).toBe('It failed too often.');
    rust.changePlugin.mockResolvedValue(installed('acme.words'));
    await doing(() => named('Switch on').click());
    expect(rust.changePlugin).toHaveBeenLastCalledWith('id-one', 'acme.words', { enabled: true });
    await doing(() => named('Uninstall …').click());
    expect(rust.uninstallPlugin).not.toHaveBeenCalled();
    await doing(() => named('Uninstall it').click());
    expect(rust.uninstallPlugin).toHaveBeenCalledExactlyOnceWith('id-one', 'acme.words');
    expect(location.search).toBe('?workspace=id-one');
});

test('settings go as JSON; a secret is never shown', async () => {
    const settings = [
        { id: 'width', title: 'Width', kind: 'number' as const, default: '80' }, { id: 'key', title: 'Key', kind: 'secret' as const, default: '""' }, { id: 'on', title: 'On', kind: 'boolean' as const, default: 'false' },
    ];
    there(installed('acme.words', { manifest: manifest('acme.words', { settings }), settings: { key: 'true' } }));
    rust.changePlugin.mockResolvedValue(installed('acme.words', { manifest: manifest('acme.words', { settings }), settings: { key: 'true' } }));
    await show('?plugin=acme.words');
    const asked = () => rust.changePlugin.mock.lastCall?.[2];
    await fill('#setting-width', 'wide');
    await doing(() => named('Keep Width').click());
    expect(rust.changePlugin).not.toHaveBeenCalled();
    expect(one('.fault').textContent).toContain('number');
    await fill('#setting-width', '100');
    await doing(() => named('Keep Width').click());
    expect(asked()).toEqual({ settings: { width: '100' } });
    expect(one<HTMLInputElement>('#setting-key').value).toBe('');
    await fill('#setting-key', 'hunter2');
    await doing(() => named('Keep Key').click());
    expect(asked()).toEqual({ settings: { key: '"hunter2"' } });
    expect(one<HTMLInputElement>('#setting-key').value).toBe('');
    await doing(() => named('Forget Key').click());
    expect(asked()).toEqual({ settings: { key: null } });
    await doing(() => one<HTMLInputElement>('label.check:not(.rights *) input[type=checkbox]:not([role])').click());
    expect(asked()).toEqual({ settings: { on: 'true' } });
});

test('a readme is words and links, and nothing of it runs', async () => {
    rust.showPlugin.mockResolvedValue(published('acme.words', { readme: '# hi' }));
    const evil = '<img src=x onerror=alert(1)>';
    rust.readMarkdown.mockReturnValue([
        { type: 'heading', level: 1, spans: [{ type: 'text', text: evil }] },
        { type: 'paragraph', spans: [{ type: 'web_link', address: 'https://a.example/', spans: [{ type: 'text', text: 'there' }] }, { type: 'file_link', path: 'x', spans: [{ type: 'code', text: evil }] }] },
    ]);
    await show('?plugin=acme.words');
    expect(document.querySelector('.readme img')).toBeNull();
    expect(one('.readme h3').textContent).toBe(evil);
    expect(one<HTMLAnchorElement>('.readme a').rel).toBe('noopener noreferrer');
});

test('a plugin that is in no registry is shown all the same, where it is installed', async () => {
    rust.showPlugin.mockRejectedValue(refusal('plugins.not_found', 'not_found'));
    there(installed('acme.words', { development: true }));
    await show('?plugin=acme.words');
    expect(one('h1').textContent).toBe('Title of acme.words');
    expect(document.querySelector('.problem')).toBeNull();
    await show('?plugin=acme.gone');
    expect(one('.problem').textContent).toContain('plugins.not_found');
});

test('a key is revoked only when that was meant', async () => {
    rust.listPublishers.mockResolvedValue([{ name: 'ada', owner: 'id-ada', keys: [{ id: '0123', public_key: 'x', added_at: 1_000 }], created_at: 1_000 }]);
    await show();
    await doing(() => named('Revoke the key 0123').click());
    expect(rust.revokePublisherKey).not.toHaveBeenCalled();
    await doing(() => named('Revoke it').click());
    expect(rust.revokePublisherKey).toHaveBeenCalledExactlyOnceWith('ada', '0123');
    await doing(() => named('Add a key').click());
    await fill('#publisher-name', ' ada ');
    await fill('#publisher-key', 'BASE64');
    await doing(() => named('Add it').click());
    expect(rust.addPublisherKey).toHaveBeenCalledExactlyOnceWith({ name: 'ada', public_key: 'BASE64' });
});

test('whoever publishes a plugin takes versions back, and offers them again', async () => {
    rust.listPublishers.mockResolvedValue([{ name: 'acme', owner: 'id-ada', keys: [], created_at: 1_000 }]);
    await show('?plugin=acme.words');
    await doing(() => named('Take back 1.0.0').click());
    expect(rust.takeBackPlugin).not.toHaveBeenCalled();
    const [only] = published('acme.words').versions;
    rust.showPlugin.mockResolvedValue(published('acme.words', { versions: [{ ...only!, yanked: true }] }));
    await doing(() => named('Take it back').click());
    expect(rust.takeBackPlugin).toHaveBeenLastCalledWith('acme.words', '1.0.0', { yanked: true });
    expect(one('.deeds .badge').textContent).toBe('Taken back');
    await doing(() => named('Offer again 1.0.0').click());
    rust.takeBackPlugin.mockRejectedValue(refusal('plugins.restored_too_often', 'conflict'));
    await doing(() => named('Offer it again').click());
    expect(rust.takeBackPlugin).toHaveBeenLastCalledWith('acme.words', '1.0.0', { yanked: false });
    expect(one('dialog .problem').textContent).toContain('plugins.restored_too_often');
});

test.each([['another publisher', 'member', 0], ['an admin', 'admin', 1]] as const)('of %s who looks at it', async (_, role, buttons) => {
    rust.session.mockResolvedValue(session('ada', { role }));
    rust.listPublishers.mockResolvedValue([{ name: 'acm', owner: 'id-ada', keys: [], created_at: 1_000 }]);
    await show('?plugin=acme.words');
    expect(document.querySelectorAll('[aria-label="Take back 1.0.0"]')).toHaveLength(buttons);
});

test('the log is read from its end, page by page', async () => {
    const entry = (sequence: number) => ({ sequence, at: 1_000, action: sequence === 0 ? 'add_key' : 'publish', publisher: 'acme', ...(sequence === 0 ? { key: 'KEY' } : { plugin: 'words', version: `1.0.${sequence}` }), previous: '', hash: `hash-${sequence}` });
    rust.registryLog.mockImplementation(async (from: number, limit: number) => ({ entries: Array.from({ length: Math.min(limit, 23 - from) }, (_, n) => entry(from + n)), length: 23, next: null }));
    await show();
    await doing(() => named('Show the log').click());
    const lines = () => [...document.querySelectorAll('ol > li > p:first-child')].map(({ textContent }) => textContent);
    expect(lines()).toHaveLength(20);
    expect(lines()[0]).toContain('acme.words 1.0.22 was published');
    rust.registryLog.mockRejectedValueOnce(refusal('plugins.log_broken', 'internal'));
    await doing(() => named('Show older').click());
    expect(one('.problem').textContent).toContain('plugins.log_broken');
    await doing(() => named('Show older').click());
    expect(lines()).toHaveLength(23);
    expect(lines().at(-1)).toContain('acme got the key KEY');
    expect(document.body.textContent).toContain('hash-0');
    expect(document.body.textContent).not.toContain('Show older');
});
