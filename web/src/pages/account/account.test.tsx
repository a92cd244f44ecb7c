import { beforeEach, expect, test, vi } from 'vitest';
import { gitLogin, login, refusal, rules, session, token } from '../../test/account';
import { doing, fill, later, named, one, render } from '../../test/render';
import { Account } from './Account';

const rust = vi.hoisted(() => ({
    session: vi.fn(), authConfig: vi.fn(), changePassword: vi.fn(), secondFactor: vi.fn(), beginTotp: vi.fn(), confirmTotp: vi.fn(), renewRecoveryCodes: vi.fn(), disableSecondFactor: vi.fn(),
    listSessions: vi.fn(), endSession: vi.fn(), endOtherSessions: vi.fn(), listTokens: vi.fn(), makeToken: vi.fn(), revokeToken: vi.fn(),
    listGitCredentials: vi.fn(), addGitCredential: vi.fn(), removeGitCredential: vi.fn(),
}));
vi.mock('../../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const submit = () => doing(() => one<HTMLFormElement>('form').requestSubmit());
const show = async (path: string) => {
    history.replaceState(null, '', path);
    await render(<Account />);
    await doing(() => undefined);
};
const rows = () => [...document.querySelectorAll('.rows h2')].map(row => row.textContent?.trim());

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session('ada'));
    rust.authConfig.mockResolvedValue(rules);
    rust.secondFactor.mockResolvedValue({ enabled: false, recovery_codes_left: 0 });
});

test('the section that is shown is marked, and who is not logged in comes back to it', async () => {
    await show('/account/');
    expect(one('nav [aria-current=page]').textContent).toBe('You');
    expect(one('dl').textContent).toContain('ada');
    await render(null);
    rust.session.mockRejectedValue(refusal('auth.session_ended', 'unauthenticated'));
    await show('/account/tokens');
    expect(location.pathname + location.search).toBe('/login?next=/account/tokens');
});

test('a wrong password keeps what was typed; a right one clears the form', async () => {
    rust.changePassword.mockRejectedValueOnce(refusal('auth.wrong_password', 'forbidden'));
    await show('/account/password');
    await fill('#current-password', 'wrong');
    await fill('#new-password', 'violet teapot');
    await submit();
    expect(document.activeElement).toBe(one('#current-password'));
    expect(one<HTMLInputElement>('#new-password').value).toBe('violet teapot');
    await fill('#current-password', 'right');
    await submit();
    expect(rust.changePassword).toHaveBeenLastCalledWith({ current_password: 'right', new_password: 'violet teapot' });
    expect(one<HTMLInputElement>('#new-password').value).toBe('');
    expect(one('.good').textContent).toContain('changed');
});

test('who has a second factor gives a code of it for another password', async () => {
    rust.secondFactor.mockResolvedValue({ enabled: true, recovery_codes_left: 10 });
    rust.changePassword.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await show('/account/password');
    await fill('#current-password', 'right');
    await fill('#new-password', 'violet teapot');
    await fill('#code', '123 456');
    await submit();
    expect(rust.changePassword).toHaveBeenLastCalledWith({ current_password: 'right', new_password: 'violet teapot', code: '123456' });
    expect(location.pathname).toBe('/account/password');
    expect(document.activeElement).toBe(one('#code'));
    expect(one<HTMLInputElement>('#new-password').value).toBe('violet teapot');
    await submit();
    expect(one<HTMLInputElement>('#code').value).toBe('');
    expect(one('.good').textContent).toContain('changed');
});

test('a second factor that was set up elsewhere meanwhile is asked for once the server says so', async () => {
    rust.changePassword.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await show('/account/password');
    expect(document.querySelector('#code')).toBeNull();
    await fill('#current-password', 'right');
    await fill('#new-password', 'violet teapot');
    await submit();
    await fill('#code', '123456');
    await submit();
    expect(rust.changePassword).toHaveBeenLastCalledWith({ current_password: 'right', new_password: 'violet teapot', code: '123456' });
});

test('the second factor is set up, and its recovery codes stay until they are kept', async () => {
    rust.secondFactor.mockResolvedValue({ enabled: false, recovery_codes_left: 0 });
    rust.beginTotp.mockResolvedValue({ secret: 'JBSWY3DP', uri: 'otpauth://totp/x', qr_svg: '<svg onload="alert(1)"/>', expires_at: Date.now() + 60_000 });
    await show('/account/second-factor');
    await doing(() => named('Set it up').click());
    await fill('#current-password', 'violet teapot');
    await submit();
    expect(rust.beginTotp).toHaveBeenCalledWith({ password: 'violet teapot' });
    expect(document.querySelector('svg[onload]')).toBeNull();
    expect(one<HTMLImageElement>('.totp img').src).toMatch(/^data:image\/svg\+xml;base64,/);
    rust.confirmTotp.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await fill('#code', '000000');
    expect(location.pathname).toBe('/account/second-factor');
    expect(document.activeElement).toBe(one('#code'));
    rust.confirmTotp.mockResolvedValue({ codes: ['one', 'two'] });
    await fill('#code', '123456');
    expect([...document.querySelectorAll('.recovery li')].map(code => code.textContent)).toEqual(['one', 'two']);
    rust.secondFactor.mockResolvedValue({ enabled: true, enabled_at: 1_000, recovery_codes_left: 10 });
    await doing(() => named('I have kept them').click());
    expect(document.querySelector('.recovery')).toBeNull();
    expect(one('h2').textContent).toBe('It is on');
});

test('switching it off asks password and code, and a wrong code keeps both', async () => {
    rust.secondFactor.mockResolvedValue({ enabled: true, recovery_codes_left: 1 });
    rust.disableSecondFactor.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await show('/account/second-factor');
    expect(one('.section-content .problem').textContent).toContain('One recovery code is left');
    await doing(() => named('Switch it off').click());
    await fill('#current-password', 'violet teapot');
    await fill('#code', '123 456');
    await submit();
    expect(rust.disableSecondFactor).toHaveBeenCalledWith({ password: 'violet teapot', code: '123456' });
    expect(document.activeElement).toBe(one('#code'));
    expect(one<HTMLInputElement>('#current-password').value).toBe('violet teapot');
});

test('this login comes first and cannot be ended here; the others can', async () => {
    rust.listSessions.mockResolvedValue([login('Firefox', { used_at: 3_000 }), login('Old', { address: null as never }), login('Chromium', { current: true, used_at: 1 })]);
    await show('/account/sessions');
    expect(rows()).toEqual(['Chromium This one', 'Firefox', 'Old']);
    rust.listSessions.mockResolvedValue([login('Old'), login('Chromium', { current: true })]);
    await doing(() => named('End the login on Firefox').click());
    expect(rust.endSession).toHaveBeenCalledExactlyOnceWith('id-Firefox');
    expect(rows()).toEqual(['Chromium This one', 'Old']);
    expect(document.activeElement).toBe(one('h1'));
    rust.endOtherSessions.mockResolvedValue({ ended: 1 });
    rust.listSessions.mockResolvedValue([login('Chromium', { current: true })]);
    await doing(() => named('End all others').click());
    await submit();
    expect(rows()).toEqual(['Chromium This one']);
    expect(document.querySelector('dialog')).toBeNull();
});

test('an answer from before a login was ended does not bring it back', async () => {
    rust.listSessions.mockResolvedValue([login('Firefox'), login('Chromium', { current: true })]);
    await show('/account/sessions');
    const ending = later<void>();
    rust.endSession.mockReturnValue(ending.promise);
    await doing(() => named('End the login on Firefox').click());
    rust.listSessions.mockResolvedValue([login('Chromium', { current: true })]);
    await doing(() => ending.reject(refusal('auth.no_such_session', 'not_found')));
    expect(rows()).toEqual(['Chromium This one']);
    expect(one('.problem').textContent).toContain('auth.no_such_session');
});

test('a token needs a scope, is shown once and revoked after a question', async () => {
    rust.listTokens.mockResolvedValue([]);
    await show('/account/tokens');
    await doing(() => named('New token').click());
    await fill('#token-name', ' backup ');
    await fill('#current-password', 'violet teapot');
    await submit();
    expect(rust.makeToken).not.toHaveBeenCalled();
    // Only for admins.
    const offered = [...document.querySelectorAll('.check code')].map(scope => scope.textContent);
    expect(offered).toContain('llm');
    expect(offered.filter(scope => scope === 'admin' || scope === 'metrics')).toEqual([]);
    await doing(() => document.querySelectorAll<HTMLInputElement>('.check input')[3]?.click());
    rust.makeToken.mockResolvedValue({ token: 'secret', entry: token('backup') });
    rust.listTokens.mockResolvedValue([token('backup')]);
    await submit();
    expect(rust.makeToken).toHaveBeenCalledWith({ name: 'backup', scopes: ['files:read'], expires_in_days: 30, password: 'violet teapot' });
    expect(one('.once .secret').textContent).toBe('secret');
    expect(rows()).toEqual(['backup …abcd']);
    await doing(() => named('Done').click());
    expect(document.body.textContent).not.toContain('secret');
    rust.listTokens.mockResolvedValue([]);
    await doing(() => named('Revoke backup').click());
    expect(rust.revokeToken).not.toHaveBeenCalled();
    await doing(() => named('Revoke it').click());
    expect(rust.revokeToken).toHaveBeenCalledExactlyOnceWith('id-backup');
    expect(rows()).toEqual([]);
});

test('who has a second factor gives a code of it for a token, also when only the server knows', async () => {
    rust.listTokens.mockResolvedValue([]);
    rust.secondFactor.mockRejectedValue(refusal('network.unreachable', 'unavailable'));
    rust.makeToken.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await show('/account/tokens');
    await doing(() => named('New token').click());
    await fill('#token-name', 'backup');
    await fill('#current-password', 'violet teapot');
    await doing(() => document.querySelectorAll<HTMLInputElement>('.check input')[3]?.click());
    await submit();
    expect(one<HTMLInputElement>('#token-name').value).toBe('backup');
    await fill('#code', '123 456');
    rust.makeToken.mockResolvedValue({ token: 'secret', entry: token('backup') });
    await submit();
    expect(rust.makeToken).toHaveBeenLastCalledWith({ name: 'backup', scopes: ['files:read'], expires_in_days: 30, password: 'violet teapot', code: '123456' });
    expect(one('.once .secret').textContent).toBe('secret');
});

test('a git login is added with its site, takes the place of its like, and is forgotten after a question', async () => {
    rust.listGitCredentials.mockResolvedValue([gitLogin('a.example.org', { used_at: 2_000 }), gitLogin('c.example.org')]);
    await show('/account/git-logins');
    expect(rows()).toEqual(['a.example.org', 'c.example.org']);
    const facts = [...document.querySelectorAll('.rows .facts')].map(row => row.textContent);
    expect(facts[0]).toMatch(/^adaAdded .*Last used /);
    expect(facts[1]).toContain('Never used');
    await doing(() => named('Add a login').click());
    expect(document.activeElement).toBe(one('#git-host'));
    await fill('#git-host', ' b.example.org ');
    await fill('#git-username', 'ada');
    await fill('#git-secret', 'a secret ');
    rust.addGitCredential.mockRejectedValueOnce(refusal('git.bad_credential'));
    await submit();
    expect(one('#dialog-problem').textContent).toContain('git.bad_credential');
    expect(one<HTMLInputElement>('#git-secret').value).toBe('a secret ');
    // What the server lists afterwards comes later than its answer.
    const listed = later<unknown>();
    rust.listGitCredentials.mockReturnValue(listed.promise);
    rust.addGitCredential.mockResolvedValue(gitLogin('b.example.org'));
    await submit();
    expect(rust.addGitCredential).toHaveBeenLastCalledWith({ host: 'b.example.org', username: 'ada', secret: 'a secret ' });
    expect(rows()).toEqual(['a.example.org', 'b.example.org', 'c.example.org']);
    expect(document.body.innerHTML).not.toContain('a secret');

    await doing(() => named('Add a login').click());
    await fill('#git-host', 'c.example.org');
    await fill('#git-username', 'ada');
    await fill('#git-secret', 'another');
    rust.addGitCredential.mockResolvedValue(gitLogin('c.example.org', { id: 'renewed' }));
    await submit();
    expect(rows()).toEqual(['a.example.org', 'b.example.org', 'c.example.org']);

    rust.listGitCredentials.mockResolvedValue([gitLogin('a.example.org'), gitLogin('b.example.org')]);
    await doing(() => named('Forget ada at c.example.org').click());
    expect(rust.removeGitCredential).not.toHaveBeenCalled();
    await doing(() => named('Forget it').click());
    expect(rust.removeGitCredential).toHaveBeenCalledExactlyOnceWith('renewed');
    expect(rows()).toEqual(['a.example.org', 'b.example.org']);
    expect(document.activeElement).toBe(one('h1'));
});
