import { beforeEach, expect, test, vi } from 'vitest';
import { person, refusal, rules, session } from '../../test/account';
import { doing, fill, named, one, render } from '../../test/render';
import { Admin } from './Admin';

const rust = vi.hoisted(() => ({
    session: vi.fn(), authConfig: vi.fn(), listPeople: vi.fn(), changePerson: vi.fn(), issueResetCode: vi.fn(), removeSecondFactor: vi.fn(), endSessionsOf: vi.fn(),
    listInvites: vi.fn(), makeInvite: vi.fn(), revokeInvite: vi.fn(), rotateKeys: vi.fn(),
}));
vi.mock('../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const show = async (path: string) => {
    history.replaceState(null, '', path);
    await render(<Admin />);
    await doing(() => undefined);
};

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session('ada', { role: 'admin' }));
    rust.authConfig.mockResolvedValue(rules);
    rust.listPeople.mockResolvedValue({ people: [person('ada'), person('bob', { second_factor: true })], next: 'id-bob' });
});

test('who is no admin asks for nothing', async () => {
    rust.session.mockResolvedValue(session('bob'));
    await show('/admin/people');
    expect(one('h1').textContent).toBe('Only for admins');
    expect(rust.listPeople).not.toHaveBeenCalled();
});

test('people come in pages', async () => {
    await show('/admin/people');
    rust.listPeople.mockResolvedValue({ people: [person('eve', { disabled: true })], next: null });
    await doing(() => named('Show more').click());
    expect(rust.listPeople).toHaveBeenLastCalledWith('id-bob');
    expect([...document.querySelectorAll('.rows h2')].map(row => row.textContent?.trim())).toEqual(['ada You', 'bob', 'eve   Disabled']);
    expect([...document.querySelectorAll('button')].some(button => button.textContent === 'Show more')).toBe(false);
});

test('keeping somebody out is asked twice, and what the server says is shown', async () => {
    await show('/admin/people');
    await doing(() => named('Manage bob').click());
    await doing(() => named('Disable').click());
    expect(rust.changePerson).not.toHaveBeenCalled();
    rust.changePerson.mockResolvedValue(person('bob', { disabled: true, sessions: 0 }));
    await doing(() => named('Really: disable?').click());
    expect(rust.changePerson).toHaveBeenCalledExactlyOnceWith('id-bob', { disabled: true });
    expect(named('Let in again')).toBeTruthy();
    rust.changePerson.mockRejectedValue(refusal('auth.last_admin', 'conflict'));
    await doing(() => named('Let in again').click());
    expect(one('dialog .problem').textContent).toContain('auth.last_admin');
});

test('a reset code is shown with its link; the second factor goes after a second click', async () => {
    await show('/admin/people');
    await doing(() => named('Manage bob').click());
    rust.issueResetCode.mockResolvedValue({ code: 'QK7M', expires_at: Date.now() + 60_000 });
    await doing(() => named('Make a reset code').click());
    expect([...document.querySelectorAll('.secret')].map(secret => secret.textContent)).toEqual(['QK7M', `${location.origin}/reset-password#login=bob&code=QK7M`]);
    await doing(() => named('Remove the second factor').click());
    await doing(() => named('Really: remove the second factor?').click());
    expect(rust.removeSecondFactor).toHaveBeenCalledExactlyOnceWith('id-bob');
    expect(document.body.textContent).not.toContain('Second factor on');
});

test('an invitation is made, shown once and revoked', async () => {
    const entry = { id: 'i', login: 'eve@example.org', role: 'member', created_by: 'a', created_at: 0, expires_at: Date.now() + 86_400_000 };
    rust.listInvites.mockResolvedValue([]);
    await show('/admin/invites');
    await doing(() => named('New invitation').click());
    await fill('#login', ' eve@example.org ');
    rust.makeInvite.mockResolvedValue({ code: 'CODE', entry });
    rust.listInvites.mockResolvedValue([entry]);
    await doing(() => one<HTMLFormElement>('form').requestSubmit());
    expect(rust.makeInvite).toHaveBeenCalledWith({ login: 'eve@example.org', role: 'member', expires_in_days: 7 });
    expect(document.querySelector('.secret')?.textContent).toBe(`${location.origin}/register?invite=CODE`);
    rust.listInvites.mockResolvedValue([]);
    await doing(() => named('Revoke the invitation for eve@example.org').click());
    await doing(() => named('Revoke it').click());
    expect(rust.revokeInvite).toHaveBeenCalledExactlyOnceWith('i');
    expect(document.querySelector('.once')).toBeNull();
});

test('the signing key is changed after a question', async () => {
    await show('/admin/keys');
    await doing(() => named('Change the key now').click());
    expect(rust.rotateKeys).not.toHaveBeenCalled();
    await doing(() => named('Change it').click());
    expect(rust.rotateKeys).toHaveBeenCalledOnce();
    expect(one('.good').textContent).toContain('new key');
});
