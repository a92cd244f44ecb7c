import { beforeEach, expect, test, vi } from 'vitest';
import { refusal, rules, session } from '../test/account';
import { doing, fill, named, one, render } from '../test/render';
import { Device } from './Device';
import { Login } from './Login';
import { Register } from './Register';
import { ResetPassword } from './ResetPassword';

const rust = vi.hoisted(() => ({
    session: vi.fn(), login: vi.fn(), answerSecondFactor: vi.fn(), register: vi.fn(), authConfig: vi.fn(), forgotPassword: vi.fn(), resetPassword: vi.fn(), deviceRequest: vi.fn(), decideDevice: vi.fn(),
}));
vi.mock('../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const challenge = { ticket: 'ticket', methods: ['totp', 'recovery_code'], expires_in: 300 };
const submit = () => doing(() => one<HTMLFormElement>('form').requestSubmit());
const show = async (path: string, page: React.ReactNode) => {
    history.replaceState(null, '', path);
    await render(page);
    await doing(() => undefined);
};

beforeEach(() => {
    vi.resetAllMocks();
    rust.authConfig.mockResolvedValue(rules);
    rust.session.mockResolvedValue(session('ada'));
});

async function challenged(): Promise<void> {
    rust.login.mockResolvedValue({ type: 'second_factor', challenge });
    await show('/login?next=/dashboard', <Login />);
    await fill('#login', 'ada');
    await fill('#password', 'violet teapot');
    await submit();
}

test('the second factor is sent by itself once its six digits are there, and a wrong one is not sent again', async () => {
    await challenged();
    expect(one('#code').getAttribute('autocomplete')).toBe('one-time-code');
    rust.answerSecondFactor.mockRejectedValueOnce(refusal('auth.second_factor_wrong', 'unauthenticated'));
    await fill('#code', '12345');
    expect(rust.answerSecondFactor).not.toHaveBeenCalled();
    await fill('#code', '123 456');
    expect(rust.answerSecondFactor).toHaveBeenCalledExactlyOnceWith({ ticket: 'ticket', code: '123456' });
    expect(one('#problem').textContent).toContain('auth.second_factor_wrong');
    expect(one<HTMLInputElement>('#code').value).toBe('123 456');
    await fill('#code', '123456');
    expect(rust.answerSecondFactor).toHaveBeenCalledOnce();
    await fill('#code', '654321');
    expect(location.pathname).toBe('/dashboard');
});

test('a recovery code is taken in the same field', async () => {
    await challenged();
    await doing(() => named('Use a recovery code').click());
    expect(one('#code').getAttribute('inputmode')).toBe('text');
    await fill('#code', 'k7m2p-q9x1z');
    expect(rust.answerSecondFactor).not.toHaveBeenCalled();
    await submit();
    expect(rust.answerSecondFactor).toHaveBeenCalledWith({ ticket: 'ticket', code: 'k7m2p-q9x1z' });
});

test('a login that took too long leads back, with name and password still there', async () => {
    await challenged();
    rust.answerSecondFactor.mockRejectedValueOnce(refusal('auth.second_factor_ticket', 'unauthenticated'));
    await fill('#code', '123456');
    expect(one('#problem').textContent).toContain('too late');
    expect([one<HTMLInputElement>('#login').value, one<HTMLInputElement>('#password').value]).toEqual(['ada', 'violet teapot']);
});

test('an invitation comes from the address; a wrong one leads to its field', async () => {
    rust.authConfig.mockResolvedValue({ ...rules, registration: 'invite' });
    rust.register.mockRejectedValueOnce(refusal('auth.invite_invalid'));
    await show('/register?invite=CODE', <Register />);
    expect(one<HTMLInputElement>('#invite').value).toBe('CODE');
    await fill('#login', 'ada');
    await fill('#password', 'violet teapot');
    expect(one('#password-hint').textContent).toContain('13 characters');
    await submit();
    expect(rust.register).toHaveBeenCalledWith({ login: 'ada', password: 'violet teapot', invite: 'CODE' });
    expect(document.activeElement).toBe(one('#invite'));
    expect(one('#invite').getAttribute('aria-describedby')).toContain('problem');
    expect(one<HTMLInputElement>('#password').value).toBe('violet teapot');
});

test('where everybody may register no invitation is asked for, and a taken name leads to the login', async () => {
    rust.register.mockRejectedValueOnce(refusal('auth.login_taken', 'conflict'));
    await show('/register', <Register />);
    expect(document.querySelector('#invite')).toBeNull();
    await fill('#login', 'ada');
    await fill('#password', 'violet teapot');
    await submit();
    expect(rust.register).toHaveBeenCalledWith({ login: 'ada', password: 'violet teapot' });
    expect(one('#problem a').textContent).toBe('Log in');
});

test('a closed registration says so, and an unreachable server can be asked again', async () => {
    rust.authConfig.mockRejectedValueOnce(refusal('network.unreachable', 'unavailable'));
    await show('/register', <Register />);
    rust.authConfig.mockResolvedValue({ ...rules, registration: 'closed' });
    await doing(() => named('Try again').click());
    expect(one('h1').textContent).toBe('Registration is closed');
    expect(document.querySelector('input')).toBeNull();
});

test('the link of a mail brings name and code, and leaves no trace in the address', async () => {
    rust.authConfig.mockResolvedValue({ ...rules, sends_mail: true });
    await show('/reset-password#login=ada&code=QK7M', <ResetPassword />);
    expect(location.hash).toBe('');
    expect(document.activeElement).toBe(one('#new-password'));
    await fill('#new-password', 'violet teapot');
    await submit();
    expect(rust.resetPassword).toHaveBeenCalledWith({ login: 'ada', code: 'QK7M', new_password: 'violet teapot' });
    expect(one('h1').textContent).toBe('The new password is set');
});

test('who forgot the password is told how a code comes', async () => {
    await show('/reset-password', <ResetPassword />);
    expect(one('[role=status]').textContent).toContain('sends no mail');
    expect(one('#code')).toBeTruthy();
});

test('with mail the code is asked for first; the answer claims nothing about the account', async () => {
    rust.authConfig.mockResolvedValue({ ...rules, sends_mail: true });
    await show('/reset-password', <ResetPassword />);
    await fill('#login', 'ada');
    await submit();
    expect(rust.forgotPassword).toHaveBeenCalledWith({ login: 'ada' });
    expect(one('[role=status]').textContent).toMatch(/^If there is such an account/);
    expect(one<HTMLInputElement>('#login').value).toBe('ada');
});

const request = { client_name: 'tool', address: '198.51.100.23', created_at: Date.now(), expires_at: Date.now() + 60_000 };

test('a code in the address shows who asks and lets nobody in by itself', async () => {
    rust.deviceRequest.mockResolvedValue(request);
    await show('/device?code=bcdf-ghjk', <Device />);
    expect(rust.deviceRequest).toHaveBeenCalledWith('BCDF-GHJK');
    expect(rust.decideDevice).not.toHaveBeenCalled();
    expect(one('dl').textContent).toContain('198.51.100.23');
    await doing(() => named('Refuse').click());
    expect(rust.decideDevice).toHaveBeenCalledExactlyOnceWith('BCDF-GHJK', { approve: false });
    expect(one('h1').textContent).toBe('The program was refused');
});

test('a code that is not there leads back to its field', async () => {
    rust.deviceRequest.mockRejectedValueOnce(refusal('auth.no_such_device_code', 'not_found'));
    await show('/device', <Device />);
    await fill('#user-code', 'bcdfghjk');
    await submit();
    expect(one<HTMLInputElement>('#user-code').value).toBe('BCDF-GHJK');
    expect(document.activeElement).toBe(one('#user-code'));
    rust.deviceRequest.mockResolvedValue(request);
    await submit();
    await doing(() => named('Let it in').click());
    expect(rust.decideDevice).toHaveBeenCalledWith('BCDF-GHJK', { approve: true });
});

test('who is not logged in comes back with the code', async () => {
    rust.session.mockRejectedValue(refusal('auth.not_logged_in', 'unauthenticated'));
    await show('/device?code=BCDF-GHJK', <Device />);
    expect(location.pathname + location.search).toBe('/login?next=/device%3Fcode%3DBCDF-GHJK');
});
