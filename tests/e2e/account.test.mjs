// Accounts as people have them, each step through the pages: an invitation, the second factor, logins, tokens, passwords, programs that are
// let in, and what an admin does.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Authenticator } from './harness/authenticator.mjs';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { PASSWORD, Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';

const ADMIN = 'ada@example.org';
const MEMBER = 'grace';
const NEW_PASSWORD = 'seven crooked lanterns hum';
const LAST_PASSWORD = 'an umbrella for every comet';
/** Longest until whoever was shut out notices, in milliseconds. */
const OUT_MS = 5_000;

let broken, stack, browser, admin, member;
let authenticator, recovery;

before(async () => {
    stack = await Stack.start({ flags: ['--registration', 'invite', '--first-login', ADMIN] });
    browser = await launch();
    admin = await open(browser);
    member = await open(browser);
});
after(async () => {
    for (const [who, opened] of Object.entries({ admin, member })) {
        if (opened) { await picture(opened.page, `account-last-${who}`); }
    }
    await browser?.close();
    await stack?.stop();
});

/** One step, after which nothing may have gone wrong unseen: those after a broken one have nothing to stand on. */
function step(name, run) {
    test(name, async t => {
        assert.ok(!broken, `not tried, because this failed: ${broken}`);
        broken = name;
        await run(t);
        admin.faults.assertNone();
        member.faults.assertNone();
        broken = undefined;
    });
}

const button = (page, name) => page.getByRole('button', { name, exact: true });
const password = page => page.getByLabel('Password', { exact: true });
const workspaces = page => page.getByRole('heading', { name: 'Workspaces' });
const secrets = page => page.locator('.copyable .secret');
const problem = (page, code) => page.locator('.problem').filter({ hasText: code }).first();

async function logIn(page, login, word) {
    await page.goto(`${stack.url}login`);
    await page.getByLabel('E-mail').fill(login);
    await password(page).fill(word);
    await button(page, 'Log in').click();
}
async function choose(page, section) {
    await page.getByRole('link', { name: section, exact: true }).click();
    await page.getByRole('heading', { name: section, level: 1 }).waitFor();
}
/** Logs in where the second factor is asked for, with a recovery code. */
async function logInWithRecovery(page, word) {
    await logIn(page, MEMBER, word);
    await button(page, 'Use a recovery code').click();
    await page.getByLabel('Recovery code').fill(recovery.shift());
    await button(page, 'Go on').click();
    await workspaces(page).waitFor();
}
/** What the API says to a program. */
async function ask(method, route, { token, body, form } = {}) {
    const headers = { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }), ...(body && { 'content-type': 'application/json' }) };
    const answer = await fetch(`${stack.url}api/v5/${route}`, { method, headers, body: form ? new URLSearchParams(form) : body && JSON.stringify(body) });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : undefined };
}
async function manage(page, login) {
    await page.goto(`${stack.url}admin/people`);
    await button(page, `Manage ${login}`).click();
}
async function sure(page, name) {
    await button(page, name).click();
    await button(page, `Really: ${name.toLowerCase()}?`).click();
}

step('registering needs an invitation: an admin makes one, and it is good once', async () => {
    const { page, faults } = member;
    await page.goto(`${stack.url}register?invite=abcde-fghij`);
    await page.getByLabel('E-mail').fill(MEMBER);
    await password(page).fill(PASSWORD);
    await faults.during([refused(400)], async () => {
        await button(page, 'Create account').click();
        await problem(page, 'auth.invite_invalid').waitFor();
    });
    assert.equal(await page.getByLabel('Invitation').getAttribute('aria-invalid'), 'true');
    assert.equal(await password(page).inputValue(), PASSWORD);

    const first = JSON.parse(fs.readFileSync(path.join(stack.data, 'first-login.json'), 'utf8'));
    await logIn(admin.page, ADMIN, first.password);
    await workspaces(admin.page).waitFor();
    await button(admin.page, `Account of ${ADMIN}`).click();
    await admin.page.getByRole('link', { name: 'Administration' }).click();
    await choose(admin.page, 'Invitations');
    await button(admin.page, 'New invitation').click();
    await admin.page.getByLabel('For').fill(MEMBER);
    await button(admin.page, 'Make the invitation').click();
    const link = await secrets(admin.page).first().textContent();
    await picture(admin.page, 'account-invitation');
    await page.goto(link);
    await page.getByLabel('E-mail').fill(MEMBER);
    await password(page).fill(PASSWORD);
    await picture(page, 'account-register');
    await button(page, 'Create account').click();
    await workspaces(page).waitFor();
    await admin.page.reload();
    await admin.page.getByText('No invitation is open.').waitFor();
});

step('the second factor is set up with an authenticator, and its recovery codes are kept', async () => {
    const { page, faults } = member;
    await button(page, `Account of ${MEMBER}`).click();
    await page.getByRole('link', { name: 'Your account' }).click();
    await choose(page, 'Second factor');
    await button(page, 'Set it up').click();
    await page.getByLabel('Your password').fill('not the password');
    await faults.during([refused(403)], async () => {
        await button(page, 'Go on').click();
        await problem(page, 'auth.wrong_password').waitFor();
    });
    await page.getByLabel('Your password').fill(PASSWORD);
    await button(page, 'Go on').click();
    const image = page.getByRole('img', { name: /QR code/ });
    await image.waitFor();
    assert.ok(await image.evaluate(({ complete, naturalWidth }) => complete && naturalWidth > 0), 'the picture is drawn');
    authenticator = new Authenticator(await page.locator('.totp .secret').textContent());
    await picture(page, 'account-second-factor');
    await faults.during([refused(401)], async () => {
        await page.getByLabel('Code').fill('000000');
        await problem(page, 'auth.second_factor_wrong').waitFor();
    });
    // All six digits are enough: nothing has to be pressed.
    await page.getByLabel('Code').fill(await authenticator.next());
    await page.getByRole('heading', { name: 'Keep these recovery codes' }).waitFor();
    recovery = await page.locator('.recovery li').allTextContents();
    assert.ok(recovery.length >= 8 && new Set(recovery).size === recovery.length);
    await picture(page, 'account-recovery-codes');
    const [file] = await Promise.all([page.waitForEvent('download'), button(page, 'Save as a file').click()]);
    const saved = fs.readFileSync(await file.path(), 'utf8');
    assert.ok(recovery.every(code => saved.includes(code)));
    await button(page, 'I have kept them').click();
    await page.getByRole('heading', { name: 'It is on' }).waitFor();
});

step('a login asks for it: a wrong code, a right one, and one that was used before', async () => {
    const { page, faults } = member;
    await button(page, `Account of ${MEMBER}`).click();
    await button(page, 'Log out').click();
    await page.getByRole('link', { name: 'Log in' }).first().waitFor();
    await logIn(page, MEMBER, PASSWORD);
    await faults.during([refused(401)], async () => {
        await page.getByLabel('Code').fill('000000');
        await problem(page, 'auth.second_factor_wrong').waitFor();
        await page.getByLabel('Code').fill(authenticator.code(authenticator.last));
        await eventually('the old code to be refused, too', async () => await page.getByLabel('Code').getAttribute('aria-invalid') === 'true' && await button(page, 'Go on').isVisible());
    });
    await picture(page, 'account-login-code');
    await page.getByLabel('Code').fill(await authenticator.next());
    await workspaces(page).waitFor();
});

step('two browsers: one ends the login of the other, whose IDE is out at once', async t => {
    const other = await open(browser);
    try {
        // Once it is out, what its page asks is refused; the browser notes that.
        other.faults.expect(refused(401));
        await logInWithRecovery(other.page, PASSWORD);
        const person = new Person(other.context, stack.url, MEMBER);
        const id = await person.workspace('sessions');
        await other.page.goto(person.ideUrl(id));
        await new Ide(other.page).ready();
        await member.page.goto(`${stack.url}account/sessions`);
        await eventually('both logins', async () => await member.page.locator('.rows li').count() === 2);
        await member.page.getByText('This one').waitFor();
        await picture(member.page, 'account-sessions');
        await member.page.getByRole('button', { name: /^End the login on/ }).click();
        const ended = Date.now();
        await other.page.locator('.coditect-notice').filter({ hasText: 'auth.session_ended' }).waitFor({ timeout: OUT_MS });
        t.diagnostic(`the other browser was out after ${Date.now() - ended} ms`);
        assert.equal((await person.ask('GET', 'auth/me')).status(), 401);
        await eventually('one login to be left', async () => await member.page.locator('.rows li').count() === 1);
        await other.page.goto(`${stack.url}dashboard`);
        await other.page.waitForURL(/\/login\?next=/);
        other.faults.assertNone();
    } finally { await other.context.close(); }
});

step('a token does what it was made for and nothing else, until it is revoked', async () => {
    const { page } = member;
    await page.goto(`${stack.url}account/tokens`);
    await button(page, 'New token').click();
    await page.getByLabel('What it is for').fill('backup');
    await page.getByRole('checkbox', { name: /^workspaces:read/ }).check();
    assert.equal(await page.getByRole('checkbox', { name: /^admin/ }).count(), 0);
    await page.getByLabel('Your password').fill(PASSWORD);
    await page.getByLabel('Code').fill(await authenticator.next());
    await picture(page, 'account-new-token');
    await button(page, 'Make the token').click();
    const token = await secrets(page).textContent();
    await picture(page, 'account-token');
    assert.equal((await ask('GET', 'workspaces', { token })).status, 200);
    const refusedBy = async (method, route, body) => {
        const answer = await ask(method, route, { token, body });
        return [answer.status, answer.body.code];
    };
    assert.deepEqual(await refusedBy('POST', 'workspaces', { name: 'x', source: { type: 'empty' } }), [403, 'auth.scope']);
    assert.deepEqual(await refusedBy('GET', 'auth/sessions'), [403, 'auth.needs_login']);
    await button(page, 'Done').click();
    assert.ok(!(await page.content()).includes(token), 'the token is shown once');
    await button(page, 'Revoke backup').click();
    await button(page, 'Revoke it').click();
    await page.getByText('You have no token.').waitFor();
    await eventually('the token to be refused', async () => (await ask('GET', 'workspaces', { token })).status === 401, OUT_MS);
});

step('a login for a git site is kept without ever being shown, and forgotten', async () => {
    const { page, faults } = member;
    await page.goto(`${stack.url}account`);
    await choose(page, 'Git logins');
    await page.getByText('You have no login for another site.').waitFor();
    const keep = async (site, secret) => {
        await page.getByLabel('Site').fill(site);
        await page.getByLabel('Your name there').fill(MEMBER);
        await page.getByLabel('Access token or password').fill(secret);
        await button(page, 'Keep the login').click();
    };
    await button(page, 'Add a login').click();
    await faults.during([refused(400)], async () => {
        await keep('https://git.example.org/', 'wombat-one');
        await problem(page, 'git.bad_credential').waitFor();
    });
    await picture(page, 'account-git-login-refused');
    await keep('git.example.org', 'wombat-one');
    const rows = page.locator('.rows li');
    await rows.filter({ hasText: 'git.example.org' }).getByText('Never used').waitFor();
    await button(page, 'Add a login').click();
    await keep('Git.Example.org', 'wombat-two');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    await page.reload();
    await rows.getByText('git.example.org').waitFor();
    assert.equal(await rows.count(), 1);
    assert.doesNotMatch(await page.content(), /wombat/);
    await picture(page, 'account-git-logins');
    await button(page, `Forget ${MEMBER} at git.example.org`).click();
    await picture(page, 'account-git-login-forget');
    await button(page, 'Forget it').click();
    await page.getByText('You have no login for another site.').waitFor();
    assert.deepEqual(await new Person(member.context, stack.url, MEMBER).call('GET', 'git/credentials'), []);
});

step('another password ends the other logins and keeps this one', async () => {
    const { page, faults } = member;
    const other = await open(browser);
    try {
        await logInWithRecovery(other.page, PASSWORD);
        await page.goto(`${stack.url}account/password`);
        await page.getByLabel('Password until now').fill('not the password');
        await page.getByLabel('New password').fill(NEW_PASSWORD);
        // A wrong password uses up no code.
        await page.getByLabel('Code').fill(await authenticator.next());
        await faults.during([refused(403)], async () => {
            await button(page, 'Change the password').click();
            await problem(page, 'auth.wrong_password').waitFor();
        });
        assert.equal(await page.getByLabel('New password').inputValue(), NEW_PASSWORD);
        await page.getByLabel('Password until now').fill(PASSWORD);
        await button(page, 'Change the password').click();
        await page.getByText('Your password is changed').waitFor();
        other.faults.expect(refused(401));
        await eventually('the other login to have ended', async () => (await new Person(other.context, stack.url, MEMBER).ask('GET', 'auth/me')).status() === 401, OUT_MS);
        await page.goto(`${stack.url}account/sessions`);
        await page.getByText('This one').waitFor();
        await logIn(other.page, MEMBER, PASSWORD);
        await problem(other.page, 'auth.bad_credentials').waitFor();
    } finally { await other.context.close(); }
});

step('a forgotten password is reset with an admin’s code, once', async () => {
    await manage(admin.page, MEMBER);
    await button(admin.page, 'Make a reset code').click();
    await secrets(admin.page).nth(1).waitFor();
    const [code, link] = await secrets(admin.page).allTextContents();
    await picture(admin.page, 'account-reset-code');
    const other = await open(browser);
    try {
        await other.page.goto(`${stack.url}login`);
        await other.page.getByRole('link', { name: 'Forgot password?' }).click();
        await other.page.getByText('This server sends no mail.').waitFor();
        await other.page.goto('about:blank');
        await other.page.goto(link);
        assert.equal(await other.page.getByLabel('Code').inputValue(), code);
        assert.equal(new URL(other.page.url()).hash, '');
        await other.page.getByLabel('New password').fill(LAST_PASSWORD);
        await picture(other.page, 'account-reset');
        await button(other.page, 'Set the new password').click();
        await other.page.getByText('Every login of the account was ended').waitFor();
        await logInWithRecovery(other.page, LAST_PASSWORD);
        other.faults.expect(refused(400));
        await other.page.goto('about:blank');
        await other.page.goto(link);
        await other.page.getByLabel('New password').fill(PASSWORD);
        await button(other.page, 'Set the new password').click();
        await problem(other.page, 'auth.reset_code_wrong').waitFor();
    } finally { await other.context.close(); }
    await member.faults.during([refused(401)], async () => {
        await member.page.goto(`${stack.url}account/sessions`);
        await member.page.waitForURL(/\/login\?next=/);
        // The login page asks once more whether the browser is logged in.
        await logInWithRecovery(member.page, LAST_PASSWORD);
    });
});

step('a program is let in with its code, another one is refused', async () => {
    const { page } = member;
    const grant = 'urn:ietf:params:oauth:grant-type:device_code';
    const begun = await ask('POST', 'auth/device/code', { body: { client_name: 'a tool' } });
    assert.equal(begun.status, 200);
    assert.equal(begun.body.verification_uri, `${stack.url}device`);
    const poll = code => ask('POST', 'auth/device/token', { form: { grant_type: grant, device_code: code } });
    const waiting = await poll(begun.body.device_code);
    assert.deepEqual([waiting.status, waiting.body.error], [400, 'authorization_pending']);
    await page.goto(begun.body.verification_uri_complete);
    await page.getByText('a tool').waitFor();
    await page.getByText(begun.body.user_code).waitFor();
    await picture(page, 'account-device');
    await button(page, 'Let it in').click();
    await page.getByRole('heading', { name: 'The program is in' }).waitFor();
    const answer = await eventually('the tokens', async () => {
        const { status, body } = await poll(begun.body.device_code);
        return status === 200 && body;
    });
    assert.equal((await ask('GET', 'auth/me', { token: answer.access_token })).body.user.login, MEMBER);

    const unwanted = (await ask('POST', 'auth/device/code', { body: { client_name: 'somebody' } })).body;
    await page.goto(unwanted.verification_uri);
    await page.getByLabel('Code').fill(unwanted.user_code.toLowerCase().replace('-', ''));
    await button(page, 'Go on').click();
    await button(page, 'Refuse').click();
    await page.getByRole('heading', { name: 'The program was refused' }).waitFor();
    assert.equal((await poll(unwanted.device_code)).body.error, 'access_denied');
    await member.faults.during([refused(404)], async () => {
        await page.goto(`${stack.url}device?code=BBBB-BBBB`);
        await problem(page, 'auth.no_such_device_code').waitFor();
    });
});

step('an admin keeps somebody out, lets them in again, and takes a lost second factor away', async () => {
    const { page } = admin;
    await manage(page, MEMBER);
    await sure(page, 'Disable');
    await page.getByText('Kept out now.').waitFor();
    await picture(page, 'account-person');
    await member.faults.during([refused(401), refused(403)], async () => {
        await member.page.goto(`${stack.url}account/sessions`);
        await member.page.waitForURL(/\/login\?next=/);
        await logIn(member.page, MEMBER, LAST_PASSWORD);
        await problem(member.page, 'auth.disabled').waitFor();
    });
    await picture(member.page, 'account-disabled');
    await button(page, 'Let in again').click();
    await page.getByText('Let in again.', { exact: true }).waitFor();
    await sure(page, 'Remove the second factor');
    await page.getByText('The second factor is removed.').waitFor();
    await sure(page, 'Make an admin');
    await page.getByText('An admin now.').waitFor();
    await member.faults.during([refused(401)], async () => {
        // The login page asks once more whether the browser is logged in.
        await logIn(member.page, MEMBER, LAST_PASSWORD);
        await workspaces(member.page).waitFor();
    });
    await manage(member.page, ADMIN);
    await button(page, 'Make a member').click();
    await page.getByText('A member now.').waitFor();
    await member.faults.during([refused(403)], async () => {
        await member.page.reload();
        await member.page.getByText('Only for admins').waitFor();
    });
    await page.reload();
    await page.getByRole('heading', { name: 'People' }).waitFor();
    await picture(page, 'account-people');
    await manage(page, ADMIN);
    await admin.faults.during([refused(409)], async () => {
        await sure(page, 'Make a member');
        await problem(page, 'auth.last_admin').waitFor();
    });
});

step('the signing key is changed, and nobody is logged out', async () => {
    const { page } = admin;
    const keys = async () => (await (await fetch(`${stack.url}.well-known/jwks.json`)).json()).keys.map(key => key.kid);
    const before = await keys();
    await page.goto(`${stack.url}admin/keys`);
    await button(page, 'Change the key now').click();
    await button(page, 'Change it').click();
    await page.getByText('New tokens are signed with a new key.').waitFor();
    const now = await keys();
    assert.ok(now.some(kid => !before.includes(kid)) && before.every(kid => now.includes(kid)), `${before} became ${now}`);
    await page.reload();
    await page.getByRole('heading', { name: 'Signing keys' }).waitFor();
});

step('the API can be read, searched and linked to, with nothing from elsewhere', async () => {
    const visitor = await open(browser);
    try {
        const { page } = visitor;
        await page.goto(`${stack.url}api-docs`);
        const routes = page.locator('.api-content section > .route:not([id^=type-])');
        await routes.first().waitFor();
        const all = await routes.count();
        assert.ok(all > 30, `${all} routes`);
        await picture(page, 'account-api');
        await page.getByLabel('Find a route').fill('too_many_tokens');
        await eventually('one route', async () => await routes.count() === 1);
        assert.match(await routes.first().textContent(), /POST\s*\/api\/v5\/auth\/tokens/);
        await page.getByLabel('Find a route').fill('');
        await eventually('all routes', async () => await routes.count() === all);
        await page.goto('about:blank');
        await page.goto(`${stack.url}api-docs#type-NewToken`);
        await eventually('the type in sight', () => page.locator('#type-NewToken').evaluate(type => {
            const { top } = type.getBoundingClientRect();
            return top >= 0 && top < innerHeight;
        }));
        assert.deepEqual([...visitor.faults.origins], [new URL(stack.url).host]);
        visitor.faults.assertNone();
    } finally { await visitor.context.close(); }
});

step('on a phone no page is wider than the phone', async () => {
    const phone = await open(browser, { viewport: { width: 360, height: 740 }, colorScheme: 'dark', storageState: await admin.context.storageState() });
    try {
        for (const address of ['login', 'register', 'reset-password', 'account', 'account/password', 'account/second-factor', 'account/sessions', 'account/tokens', 'account/git-logins', 'admin/people', 'admin/invites', 'admin/keys', 'device', 'api-docs']) {
            await phone.page.goto(`${stack.url}${address}`);
            await phone.page.locator('h1').first().waitFor();
            const tooWide = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
            assert.ok(tooWide <= 0, `${address} is ${tooWide} pixels too wide`);
            await picture(phone.page, `account-phone-${address.replace('/', '-')}`);
        }
        phone.faults.assertNone();
    } finally { await phone.context.close(); }
});
