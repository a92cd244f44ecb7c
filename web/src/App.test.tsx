import { StrictMode } from 'react';
import type { Workspace } from 'coditect-shell';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { App } from './App';
import { navigate } from './parts/router';
import { doing, fill, later, named, one, press, render } from './test/render';
import { creating, workspace } from './test/workspace';

const rust = vi.hoisted(() => ({ session: vi.fn(), listWorkspaces: vi.fn(), login: vi.fn(), logout: vi.fn(), deleteWorkspace: vi.fn(), authConfig: vi.fn() }));
const warmUp = vi.hoisted(() => vi.fn());
vi.mock('./shell', () => ({ shell: () => Promise.resolve(rust), warmUp }));

const loggedOut = Object.assign(new Error('Log in first.'), { code: 'auth.not_logged_in', kind: 'unauthenticated' });
const session = { user: { id: 'u', login: 'ada@example.org', role: 'member', created_at: 0 }, session_id: 's', expires_at: 0 };

async function show(path: string): Promise<void> {
    history.replaceState(null, '', path);
    await render(<StrictMode><App /></StrictMode>);
    await doing(() => undefined);
}

beforeEach(() => {
    vi.resetAllMocks();
    rust.session.mockResolvedValue(session);
    rust.listWorkspaces.mockResolvedValue([workspace('one')]);
    rust.login.mockResolvedValue({ type: 'done', session });
    rust.authConfig.mockResolvedValue({ registration: 'open', password_min_chars: 12, password_max_chars: 128, sends_mail: false });
});
afterEach(() => {
    document.cookie = 'coditect_csrf=; max-age=0';
    vi.useRealTimers();
});

test('the start page asks for nothing', async () => {
    await show('/');
    expect(document.title).toContain('several minds');
    expect(named<HTMLAnchorElement>('Sign up').pathname).toBe('/register');
    expect(warmUp).not.toHaveBeenCalled();
    expect(rust.session).not.toHaveBeenCalled();
});

test('a page that is not there says so', async () => {
    await show('/nowhere/');
    expect(one('h1').textContent).toBe('There is no such page');
    await show('/constructor');
    expect(one('h1').textContent).toBe('There is no such page');
});

test('who is not logged in is led to the login and back', async () => {
    rust.session.mockRejectedValueOnce(loggedOut).mockRejectedValueOnce(loggedOut);
    rust.listWorkspaces.mockRejectedValueOnce(loggedOut).mockRejectedValueOnce(loggedOut);
    await show('/dashboard');
    expect(location.pathname + location.search).toBe('/login?next=/dashboard');
    expect(named<HTMLAnchorElement>('Create an account').search).toBe('?next=/dashboard');
    await fill('#login', 'ada@example.org');
    await fill('#password', 'violet teapot');
    const length = history.length;
    await doing(() => one<HTMLFormElement>('form').requestSubmit());
    expect(rust.login).toHaveBeenCalledExactlyOnceWith({ login: 'ada@example.org', password: 'violet teapot' });
    expect(location.pathname).toBe('/dashboard');
    expect(history.length).toBe(length);
});

test('a refused login keeps what was typed and leads to the field', async () => {
    rust.login.mockRejectedValue(Object.assign(new Error('Wrong.'), { code: 'auth.bad_credentials', kind: 'unauthenticated' }));
    await show('/login');
    expect(document.activeElement).toBe(one('#login'));
    await fill('#login', 'ada@example.org');
    await fill('#password', 'wrong');
    await doing(() => one<HTMLFormElement>('form').requestSubmit());
    expect(one('#problem').textContent).toBe('Wrong. auth.bad_credentials');
    expect(one<HTMLInputElement>('#password').value).toBe('wrong');
    expect(document.activeElement).toBe(one('#password'));
    expect(one('#password').getAttribute('aria-describedby')).toBe('problem');
});

test('who is logged in is led on from the login, but only then', async () => {
    document.cookie = 'coditect_csrf=token';
    rust.session.mockRejectedValue(loggedOut);
    await show('/login?next=/login');
    expect(rust.session).toHaveBeenCalled();
    expect(location.pathname).toBe('/login');
    rust.session.mockResolvedValue(session);
    await doing(() => navigate('/register?next=%2Fdashboard'));
    await doing(() => undefined);
    expect(location.pathname).toBe('/dashboard');
});

test('a limit of logins is no reason to go to the login', async () => {
    rust.listWorkspaces.mockRejectedValue(Object.assign(new Error('Busy.'), { code: 'auth.busy', kind: 'unavailable' }));
    await show('/dashboard');
    expect(location.pathname).toBe('/dashboard');
    expect(one('[role=alert] .problem').textContent).toContain('Busy. auth.busy');
});

test('progress is followed until it ends, and told in words', async () => {
    vi.useFakeTimers();
    rust.listWorkspaces.mockResolvedValue([workspace('one', creating('Receiving objects', 10))]);
    await show('/dashboard');
    const asked = rust.listWorkspaces.mock.calls.length;
    rust.listWorkspaces.mockResolvedValue([workspace('one', creating('Receiving objects', 80))]);
    await doing(() => vi.advanceTimersByTime(700));
    expect(one<HTMLProgressElement>('progress').value).toBe(80);
    expect(one('[role=status]').textContent).toBe('');
    rust.listWorkspaces.mockResolvedValue([workspace('one')]);
    await doing(() => vi.advanceTimersByTime(700));
    expect(one('[role=status]').textContent).toBe('one is ready.');
    expect(named<HTMLAnchorElement>('Open one').search).toBe('?workspace=id-one');
    await doing(() => vi.advanceTimersByTime(1_000_000));
    expect(rust.listWorkspaces.mock.calls.length).toBe(asked + 2);
});

test('an answer from before a deletion does not bring the workspace back', async () => {
    rust.listWorkspaces.mockResolvedValue([workspace('one', creating('Receiving objects')), workspace('two')]);
    vi.useFakeTimers();
    await show('/dashboard');
    const old = later<Workspace[]>();
    rust.listWorkspaces.mockReturnValueOnce(old.promise);
    await doing(() => vi.advanceTimersByTime(700));
    await doing(() => named('Delete two').click());
    await fill('#confirm-name', 'two');
    rust.listWorkspaces.mockResolvedValue([workspace('one')]);
    await doing(() => named('Delete for good').click());
    expect(document.querySelector('dialog')).toBeNull();
    expect(document.activeElement).toBe(one('h1'));
    await doing(() => old.resolve([workspace('one', creating('Receiving objects')), workspace('two')]));
    expect([...document.querySelectorAll('.workspace h2')].map(heading => heading.textContent)).toEqual(['one']);
});

test('another person who logged in in another tab is shown', async () => {
    document.cookie = 'coditect_csrf=ada';
    await show('/dashboard');
    expect(one('.who').textContent).toBe('ada@example.org');
    const asked = rust.session.mock.calls.length;
    await doing(() => dispatchEvent(new Event('online')));
    expect(rust.session.mock.calls.length).toBe(asked);
    document.cookie = 'coditect_csrf=bob';
    rust.session.mockResolvedValue({ ...session, user: { ...session.user, login: 'bob@example.org' } });
    await doing(() => dispatchEvent(new Event('online')));
    expect(one('.who').textContent).toBe('bob@example.org');
});

test('one of many workspaces is found', async () => {
    rust.listWorkspaces.mockResolvedValue(Array.from({ length: 100 }, (_, index) => workspace(`project-${index}`)));
    await show('/dashboard');
    expect(document.querySelectorAll('.workspace')).toHaveLength(100);
    await fill('[aria-label="Find a workspace"]', 'project-42');
    expect(document.querySelectorAll('.workspace')).toHaveLength(1);
    await fill('[aria-label="Find a workspace"]', 'nothing');
    expect(document.querySelector('.workspaces')).toBeNull();
});

test('logging out leads to the start, a failure is told', async () => {
    rust.logout.mockRejectedValueOnce(new Error('No network.'));
    await show('/dashboard');
    await doing(() => named('Account of ada@example.org').click());
    await doing(() => named('Log out').click());
    expect(one('[role=alert] .problem').textContent).toContain('No network.');
    await doing(() => named('Dismiss').click());
    expect(document.querySelector('.problem')).toBeNull();
    await doing(() => named('Account of ada@example.org').click());
    await doing(() => named('Log out').click());
    expect(location.pathname).toBe('/');
});

test('the menu of the account leaves with Escape, with what is outside, and shows an admin more', async () => {
    rust.session.mockResolvedValue({ ...session, user: { ...session.user, role: 'admin' } });
    await show('/dashboard');
    const button = named('Account of ada@example.org');
    const menu = one('.menu ul');
    expect([menu.hidden, button.getAttribute('aria-expanded')]).toEqual([true, 'false']);
    await doing(() => button.click());
    expect([menu.hidden, button.getAttribute('aria-expanded')]).toEqual([false, 'true']);
    expect([...menu.querySelectorAll('a')].map(link => link.pathname)).toContain('/admin/people');
    await doing(() => named('Your account').focus());
    await press('Escape');
    expect([menu.hidden, document.activeElement]).toEqual([true, button]);
    await doing(() => button.click());
    await doing(() => one('h1').dispatchEvent(new Event('pointerdown', { bubbles: true })));
    expect(menu.hidden).toBe(true);
});
