// Bad input and bad luck as a person meets them, through nginx: each time the screen says what is wrong, with a code, and nothing is lost.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { SmallDisk } from './harness/disk.mjs';
import { Ide } from './harness/ide.mjs';
import { PASSWORD, Person } from './harness/person.mjs';
import { eventually, freePort } from './harness/process.mjs';
import { skipWithout } from './harness/requirements.mjs';
import { Stack } from './harness/stack.mjs';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
/** Settings with which nothing is saved before the test says so. */
const BY_HAND = { 'files.autoSave': 'off' };

let browser, stack;

before(async () => {
    browser = await launch();
    stack = await Stack.start({ upstreams: [`dead=http://127.0.0.1:${await freePort()}/v1`] });
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

/** A test with a page in a context of its own; afterwards nothing may have gone wrong unseen. */
function inPage(name, run) {
    test(name, async t => {
        const opened = await open(browser);
        try {
            await run({ ...opened, ide: new Ide(opened.page), t });
            opened.faults.assertNone();
            await opened.context.close();
        } catch (error) {
            await failed(opened, name);
            throw error;
        }
    });
}

/** Keeps a picture of what went wrong, and closes the page. */
async function failed({ context, page }, name) {
    await picture(page, `failed-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`).catch(() => undefined);
    await context.close();
}

let people = 0;
const newEmail = () => `person${++people}@example.org`;

/** A new person with an empty workspace. */
async function withWorkspace(context, prepare = () => undefined) {
    const person = await Person.register(context, stack.url, newEmail());
    const id = await person.workspace('faults');
    const files = stack.filesOf(id);
    await prepare(files);
    return { person, id, files };
}

/** The same, with the IDE open on it. */
async function openIde(prepare) {
    const opened = await open(browser);
    const made = await withWorkspace(opened.context, prepare);
    stack.writeSettings(made.person.id, BY_HAND);
    await opened.page.goto(made.person.ideUrl(made.id));
    const ide = new Ide(opened.page);
    await ide.ready();
    return { ...opened, ...made, ide };
}

async function logInOn(page, email, password = PASSWORD) {
    await page.getByLabel('E-mail').fill(email);
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
}

/** What the page shows as wrong, with its code. */
async function shownProblem(page, code) {
    const problem = page.locator('.problem').filter({ hasText: code }).first();
    await problem.waitFor();
    return (await problem.innerText()).replace(code, '').trim();
}

const write = (folder, name, content) => fs.writeFileSync(path.join(folder, name), content);
const read = (folder, name) => fs.readFileSync(path.join(folder, name), 'utf8');

describe('accounts', () => {
    inPage('a wrong password and an unknown address are answered alike, and what was typed stays', async ({ page, context, faults }) => {
        faults.expect(refused(401));
        const { email } = await Person.register(context, stack.url, newEmail());
        await context.clearCookies();
        await page.goto(`${stack.url}login`);
        await logInOn(page, email, 'not the password at all');
        const wrong = await shownProblem(page, 'auth.bad_credentials');
        assert.equal(await page.getByLabel('E-mail').inputValue(), email);
        assert.equal(await page.getByLabel('Password', { exact: true }).inputValue(), 'not the password at all');
        await picture(page, 'fault-login');
        await page.reload();
        await logInOn(page, 'nobody@example.org', 'not the password at all');
        assert.equal(await shownProblem(page, 'auth.bad_credentials'), wrong);
        await logInOn(page, email);
        await page.getByRole('heading', { name: 'Workspaces' }).waitFor();
    });

    inPage('a taken address, a weak password and an impossible address', async ({ page, context, faults }) => {
        faults.expect(refused(400), refused(409), refused(422));
        const { email } = await Person.register(context, stack.url, newEmail());
        await context.clearCookies();
        await page.goto(`${stack.url}register`);
        const fill = async (address, password) => {
            await page.getByLabel('E-mail').fill(address);
            await page.getByLabel('Password', { exact: true }).fill(password);
            await page.getByRole('button', { name: 'Create account' }).click();
        };
        await fill(email.toUpperCase(), PASSWORD);
        assert.match(await shownProblem(page, 'auth.login_taken'), /log in/);
        assert.equal(await page.getByLabel('E-mail').getAttribute('aria-invalid'), 'true');
        await fill(newEmail(), 'password1234');
        assert.ok((await shownProblem(page, 'auth.weak_password')).length > 10);
        assert.equal(await page.getByLabel('Password', { exact: true }).getAttribute('aria-invalid'), 'true');
        await fill('some..body@example.org', PASSWORD);
        await shownProblem(page, 'auth.invalid_login');
    });

    inPage('an address of another site as the way back leads to the dashboard', async ({ page, context }) => {
        const { email } = await Person.register(context, stack.url, newEmail());
        for (const next of ['//evil.example/x', 'javascript:alert(1)', 'https://evil.example', '/\\evil.example', '\t//evil.example']) {
            await context.clearCookies();
            await page.goto(`${stack.url}login?next=${encodeURIComponent(next)}`);
            await logInOn(page, email);
            await page.waitForURL(`${stack.url}dashboard`);
            // Only then nothing is under way any more.
            await page.getByText('Nothing here yet').waitFor();
        }
    });

    inPage('a forged token is no login', async ({ page, context, faults }) => {
        faults.expect(refused(401));
        const { person, id } = await withWorkspace(context);
        const cookies = await context.cookies(stack.url);
        const [head, body] = cookies.find(({ name }) => name === 'coditect_access').value.split('.');
        const unsigned = Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url');
        for (const forged of [`${head}.${body}.${'A'.repeat(86)}`, `${unsigned}.${body}.`, 'nonsense']) {
            await context.clearCookies();
            await context.addCookies([{ name: 'coditect_access', value: forged, url: stack.url }]);
            const answer = await person.ask('GET', 'auth/me');
            assert.deepEqual([answer.status(), (await answer.json()).code], [401, 'auth.invalid_token']);
            await page.goto(`${stack.url}dashboard`);
            await page.waitForURL(/\/login\?next=/);
        }
        await page.goto(person.ideUrl(id));
        await page.waitForURL(/\/login\?next=/);
        await logInOn(page, person.email);
        await page.waitForURL(person.ideUrl(id));
    });
});

describe('the IDE', () => {
    inPage('the workspace of somebody else, and one that never was', async ({ page, context, faults }) => {
        faults.expect(refused(404), /workspace\.not_found|There is no such workspace/);
        const ada = await open(browser);
        const theirs = await withWorkspace(ada.context, files => write(files, 'secret.txt', 'theirs'));
        await ada.context.close();
        const bob = await Person.register(context, stack.url, newEmail());
        for (const id of [theirs.id, '00000000-0000-7000-8000-000000000000', '../../etc', 'x']) {
            await page.goto(bob.ideUrl(encodeURIComponent(id)));
            await page.getByRole('alert').filter({ hasText: 'workspace.not_found' }).waitFor();
            const answer = await bob.ask('GET', `workspaces/${encodeURIComponent(id)}/files/secret.txt`);
            assert.deepEqual([answer.status(), (await answer.json()).code], [404, 'workspace.not_found']);
        }
        await picture(page, 'fault-workspace-not-found');
        await page.getByRole('link', { name: 'Back to the dashboard' }).click();
        await page.getByRole('heading', { name: 'Workspaces' }).waitFor();
    });

    /** One page for all that follows, opened again after a test that failed. */
    let shared;
    after(() => shared?.context.close());

    function inIde(name, run) {
        test(name, async () => {
            shared ??= await openIde(prepareFiles);
            try {
                await run(shared);
                shared.faults.assertNone();
                await shared.ide.clearMessages();
            } catch (error) {
                await failed(shared, name);
                shared = undefined;
                throw error;
            }
        });
    }

    const binary = Buffer.from(Array.from({ length: 4096 }, (_, i) => i % 256));

    function prepareFiles(files) {
        write(files, 'note.txt', 'common\n');
        write(files, 'small.txt', 'small\n');
        write(files, 'data.bin', binary);
        fs.symlinkSync('/etc/passwd', path.join(files, 'escape.txt'));
        fs.symlinkSync('/etc', path.join(files, 'escape-folder'));
        const huge = fs.openSync(path.join(files, 'huge.txt'), 'w');
        fs.writeSync(huge, 'the end', 2 * GIB - 'the end'.length);
        fs.closeSync(huge);
    }

    inIde('a link that leads out of the workspace is not followed', async ({ ide, person, id }) => {
        for (const name of ['escape.txt', 'escape-folder']) {
            await ide.tryFromTree(name);
            await ide.message(new RegExp(`${name}.*leads outside the workspace.*files\\.outside`)).waitFor();
            const answer = await person.ask('GET', `workspaces/${id}/files/${name}`);
            assert.equal((await answer.json()).code, 'files.outside');
        }
    });

    inIde('a file of 2 GB: a message, the page stays alive, and its end can be fetched', async ({ page, ide, person, id, files }) => {
        await ide.tryFromTree('huge.txt');
        await ide.message(/“huge\.txt” has 2.*GB; the editor opens files up to 64.*MB.*Download.*files\.too_large/).waitFor();
        assert.equal(await ide.dialog.count(), 0, 'nothing is offered that cannot be done');
        await picture(page, 'fault-huge');
        await ide.openFromTree('small.txt');
        await ide.typeAtEnd('still alive');
        await ide.save();
        assert.equal(read(files, 'small.txt'), 'small\nstill alive');
        const end = await person.ask('GET', `workspaces/${id}/files/huge.txt`, undefined, { range: 'bytes=-7' });
        assert.deepEqual([end.status(), await end.text()], [206, 'the end']);
        assert.equal(end.headers()['content-range'], `bytes ${2 * GIB - 7}-${2 * GIB - 1}/${2 * GIB}`);
        const beyond = await person.ask('GET', `workspaces/${id}/files/huge.txt`, undefined, { range: `bytes=${2 * GIB}-` });
        assert.deepEqual([beyond.status(), (await beyond.json()).code], [416, 'files.range']);
    });

    inIde('a binary file is not taken for text, and stays as it is', async ({ page, ide, files }) => {
        await ide.tryFromTree('data.bin');
        await ide.dialog.filter({ hasText: /binary/ }).filter({ hasText: /data\.bin/ }).waitFor();
        await picture(page, 'fault-binary');
        await ide.answerDialog('No');
        await ide.settled();
        assert.equal(await ide.message(/./).count(), 0, 'who says no is not told of a failure');
        assert.equal(await page.locator('#theia-main-content-panel .lm-TabBar-tab').filter({ hasText: 'data.bin' }).count(), 0);
        assert.ok(fs.readFileSync(path.join(files, 'data.bin')).equals(binary));
    });

    inIde('a file that changed meanwhile is overwritten only when the person says so', async ({ page, ide, files }) => {
        await ide.openFromTree('note.txt');
        await ide.typeAtEnd('mine\n');
        // Of the same length, so that only its version tells it from what the editor read.
        write(files, 'note.txt', 'theirs\n');
        await page.keyboard.press('Control+s');
        await ide.dialog.filter({ hasText: /note\.txt/ }).waitFor();
        await picture(page, 'fault-conflict');
        await ide.answerDialog('Keep mine');
        assert.equal(read(files, 'note.txt'), 'theirs\n');
        assert.match(await ide.editorText(), /common\nmine/);
        assert.ok(await ide.isDirty());
        await page.keyboard.press('Control+s');
        await ide.answerDialog('Compare');
        await page.locator('#theia-main-content-panel .monaco-diff-editor .view-line').filter({ hasText: 'theirs' }).first().waitFor();
        await page.locator('#theia-main-content-panel .monaco-diff-editor .view-line').filter({ hasText: 'mine' }).first().waitFor();
        await picture(page, 'fault-conflict-compared');
        await ide.command('Close Tab in Main Area');
        await ide.openFromTree('note.txt');
        await page.keyboard.press('Control+s');
        await ide.dialog.filter({ hasText: /note\.txt/ }).waitFor();
        assert.equal(read(files, 'note.txt'), 'theirs\n');
        await ide.answerDialog('Overwrite');
        await eventually('the editor to be clean', async () => !(await ide.isDirty()));
        assert.equal(read(files, 'note.txt'), 'common\nmine\n');
    });

    inIde('a model server that cannot be reached', async ({ page, ide }) => {
        await ide.openChat();
        await ide.ask('hello');
        await page.locator('.theia-ChatNode').filter({ hasText: /“dead” at http.*cannot be reached/ }).first().waitFor();
        await page.locator('#theia-statusBar').getByText('Online').click();
        await page.locator('.coditect-view').getByText(/“dead” at http:\/\/127\.0\.0\.1:\d+.*cannot be reached/).waitFor();
        await picture(page, 'fault-dead-model');
    });

    inIde('a login that ended elsewhere: the page says so, keeps the text, and goes on after a new login', async ({ page, context, ide, faults, person, files, id }) => {
        // Theia keeps what was said in the chat a moment later, and notes that it could not.
        faults.expect(refused(401), /auth\.session_ended/);
        await ide.openFromTree('small.txt');
        await ide.typeAtEnd(', and kept');
        await person.call('POST', 'auth/logout');
        const notice = page.locator('.coditect-notice').filter({ hasText: 'auth.session_ended' });
        await notice.waitFor();
        await page.keyboard.press('Control+s');
        await ide.message(/log in again.*auth\.session_ended.*What you changed is still in the editor/).waitFor();
        await page.locator('#theia-statusBar').getByText('Closed').waitFor();
        await picture(page, 'fault-session-ended');
        assert.ok(await ide.isDirty());
        await refusesToLeave(page);
        const [login] = await Promise.all([context.waitForEvent('page'), notice.getByRole('link', { name: /Log in/ }).click()]);
        await logInOn(login, person.email);
        await new Ide(login).ready();
        assert.equal(login.url(), person.ideUrl(id));
        await login.close();
        await notice.getByRole('button', { name: 'Connect again' }).click();
        await ide.ready();
        await notice.waitFor({ state: 'detached' });
        await page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
        await ide.save();
        assert.match(read(files, 'small.txt'), /, and kept$/);
    });
});

/** Leaving needs the person's agreement as long as something is not saved. */
async function refusesToLeave(page) {
    const asked = page.waitForEvent('dialog');
    const leaving = page.reload({ timeout: 5000 }).catch(() => undefined);
    const dialog = await asked;
    assert.equal(dialog.type(), 'beforeunload');
    await dialog.dismiss();
    await leaving;
}

describe('the dashboard', () => {
    /** Fills in the dialogue for a new workspace. */
    async function create(page, url) {
        const cancel = page.getByRole('dialog').getByRole('button', { name: 'Cancel' });
        if (await cancel.isVisible()) { await cancel.click(); }
        await page.getByRole('button', { name: 'New workspace' }).click();
        await page.getByRole('tab', { name: 'Git repository' }).click();
        await page.getByLabel('Repository URL or path').fill(url);
        await page.getByRole('button', { name: 'Create workspace' }).click();
    }

    inPage('repositories that may not or cannot be cloned', async ({ page, context, faults }) => {
        faults.expect(refused('4\\d\\d'));
        await Person.register(context, stack.url, newEmail());
        await page.goto(`${stack.url}dashboard`);
        fs.mkdirSync(path.join(stack.imports, 'no-repository'));
        fs.symlinkSync('/etc', path.join(stack.imports, 'way-out'));
        const owned = path.join(stack.dir, 'owned');
        for (const [url, code, reason = /.{20}/] of [
            [path.join(stack.imports, 'no-repository'), 'import.git_failed'],
            [path.join(stack.imports, 'not-there'), /import\.(path_refused|git_failed)/],
            ['/etc', 'import.path_refused'],
            [`${stack.imports}/../data`, 'import.path_refused'],
            [path.join(stack.imports, 'way-out'), 'import.path_refused'],
            [`ext::sh -c touch% ${owned}`, 'import.url_refused'],
            ['file:///etc', 'import.url_refused'],
            ['--upload-pack=touch', 'import.url_refused'],
            ['http://example.org/x.git', 'import.url_refused', /not encrypted; use https/],
            ['https://127.0.0.1:1/x.git', 'import.url_refused', /private network, which the operator has not opened/],
            ['https://[::ffff:10.0.0.1]/x.git', 'import.url_refused'],
            ['https://169.254.169.254/latest', 'import.url_refused'],
        ]) {
            await create(page, url);
            const said = await shownProblem(page, code);
            assert.match(said, reason, url);
            await picture(page, `fault-clone-${String(code).replaceAll(/\W+/g, '-')}`);
            const remove = page.getByRole('button', { name: /^Delete / });
            if (await remove.count() > 0) {
                await remove.first().click();
                await page.getByRole('button', { name: 'Remove' }).click();
                await remove.waitFor({ state: 'detached' });
            } else {
                assert.equal(await page.getByLabel('Repository URL or path').inputValue(), url, 'what was typed stays');
            }
        }
        assert.ok(!fs.existsSync(owned), 'nothing ran');
    });

    inPage('archives that would write outside, and files that are none', async ({ page, context, faults }) => {
        faults.expect(refused('4\\d\\d'));
        await Person.register(context, stack.url, newEmail());
        await page.goto(`${stack.url}dashboard`);
        const dir = fs.mkdtempSync(path.join(stack.dir, 'archives-'));
        fs.mkdirSync(path.join(dir, 'in'));
        write(dir, 'evil.txt', 'evil');
        write(path.join(dir, 'in'), 'good.txt', 'good');
        const tar = (name, ...entries) => execFileSync('tar', ['-P', '-czf', path.join(dir, name), ...entries], { cwd: path.join(dir, 'in') });
        tar('dots.tar.gz', 'good.txt', '../evil.txt');
        tar('absolute.tgz', 'good.txt', path.join(dir, 'evil.txt'));
        write(dir, 'none.zip', 'this is no archive');
        const upload = async name => {
            await page.getByRole('button', { name: 'New workspace' }).click();
            await page.getByRole('tab', { name: 'Upload archive' }).click();
            await page.locator('input[type=file]').setInputFiles(path.join(dir, name));
            await page.getByRole('button', { name: 'Create workspace' }).click();
        };
        for (const name of ['dots.tar.gz', 'absolute.tgz']) {
            await upload(name);
            const card = page.getByRole('listitem').filter({ hasText: name });
            await card.getByText('import.entry_refused').waitFor();
            assert.match(await card.innerText(), /evil\.txt.*outside the workspace; nothing was unpacked/);
        }
        await picture(page, 'fault-archive');
        await upload('none.zip');
        assert.match(await shownProblem(page, 'import.archive_invalid'), /\.zip, \.tar or \.tar\.gz/);
        const found = execFileSync('find', [stack.data, '-name', '*.txt'], { encoding: 'utf8' });
        assert.doesNotMatch(found, /good\.txt|evil\.txt/);
    });

    inPage('an upload that is cancelled leaves nothing', async ({ page, context }) => {
        const person = await Person.register(context, stack.url, newEmail());
        await page.goto(`${stack.url}dashboard`);
        const before = fs.readdirSync(path.join(stack.data, 'workspaces')).length;
        const file = path.join(stack.dir, 'large.tar');
        fs.writeFileSync(file, '');
        fs.truncateSync(file, 64 * MIB);
        const network = await context.newCDPSession(page);
        await network.send('Network.enable');
        await network.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 2 * MIB });
        await page.getByRole('button', { name: 'New workspace' }).click();
        await page.getByRole('tab', { name: 'Upload archive' }).click();
        await page.locator('input[type=file]').setInputFiles(file);
        await page.getByRole('button', { name: 'Create workspace' }).click();
        await page.getByRole('progressbar', { name: 'Upload' }).waitFor();
        await eventually('the upload to begin', () => fs.readdirSync(path.join(stack.data, 'workspaces')).length > before);
        await picture(page, 'fault-upload');
        await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
        await page.getByRole('dialog').waitFor({ state: 'detached' });
        await eventually('the upload to be gone', async () =>
            fs.readdirSync(path.join(stack.data, 'workspaces')).length === before && (await person.call('GET', 'workspaces')).length === 0);
        assert.equal(await page.getByRole('listitem').count(), 0);
    });

    inPage('the server is away while the dashboard is open', async ({ page, context, faults }) => {
        const person = await Person.register(context, stack.url, newEmail());
        await person.workspace('kept');
        await page.goto(`${stack.url}dashboard`);
        await page.getByRole('link', { name: 'Open kept' }).waitFor();
        await page.getByRole('button', { name: 'New workspace' }).click();
        await page.getByRole('textbox', { name: 'Name' }).fill('made after all');
        faults.outage = true;
        const visitor = await context.newPage();
        await stack.server.stop('SIGKILL');
        try {
            await page.getByRole('button', { name: 'Create workspace' }).click();
            assert.match(await shownProblem(page, 'proxy.unavailable'), /Try again/);
            assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'made after all');
            await picture(page, 'fault-server-away');
            await visitor.goto(`${stack.url}dashboard`);
            await visitor.getByRole('heading', { name: 'Coditect is starting' }).waitFor();
            await picture(visitor, 'fault-starting');
        } finally { await stack.startServer(); }
        // Whoever came while the server was away gets there without doing anything.
        await visitor.getByRole('link', { name: 'Open kept' }).waitFor();
        await visitor.close();
        faults.outage = false;
        await page.getByRole('button', { name: 'Create workspace' }).click();
        await page.getByRole('link', { name: 'Open made after all' }).waitFor();
        // The list itself, which is fetched again when the network comes back.
        faults.outage = true;
        await stack.server.stop('SIGKILL');
        try {
            await context.setOffline(true);
            await context.setOffline(false);
            await shownProblem(page, 'proxy.unavailable');
            await page.getByRole('link', { name: 'Open kept' }).waitFor();
        } finally { await stack.startServer(); }
        faults.outage = false;
        await page.getByRole('button', { name: 'Try again' }).click();
        await page.locator('.problem').waitFor({ state: 'detached' });
        assert.equal(await page.getByRole('listitem').count(), 2);
    });
});

describe('a full disk, and no model', { skip: skipWithout('mount', SmallDisk.missing()) }, () => {
    let disk, full;

    before(async () => {
        disk = SmallDisk.mount(8 * MIB);
        // No reserve, which is larger than this disk: it is full to the last byte.
        full = await Stack.start({ data: path.join(disk.dir, 'data'), upstreams: [], flags: ['--sandbox-disk-reserve-bytes', '0'] });
    });
    after(async () => {
        await full?.stop();
        disk?.unmount();
    });

    inPage('what cannot be saved stays in the editor; the chat says how to get a model', async ({ page, context, ide, faults }) => {
        const person = await Person.register(context, full.url, newEmail());
        const id = await person.workspace('full');
        const files = full.filesOf(id);
        write(files, 'note.txt', 'old\n');
        full.writeSettings(person.id, BY_HAND);
        await page.goto(person.ideUrl(id));
        await ide.ready();
        await ide.openFromTree('note.txt');
        await ide.typeAtEnd('new\n');
        // The page also keeps its layout on this disk.
        faults.expect(/out_of_space|no space left/i);
        disk.fill();
        await page.keyboard.press('Control+s');
        await ide.message(/note\.txt.*files\.out_of_space.*What you changed is still in the editor/).waitFor();
        await picture(page, 'fault-disk-full');
        assert.ok(await ide.isDirty());
        assert.match(await ide.editorText(), /old\nnew/);
        assert.equal(read(files, 'note.txt'), 'old\n');
        disk.free();
        await page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
        await ide.save();
        assert.equal(read(files, 'note.txt'), 'old\nnew\n');
        assert.ok(full.server.running);
        await ide.clearMessages();

        const advice = /No language model is connected: .*\[\[llm_upstream\]\].*cargo xtask run --model/;
        await ide.openChat();
        await page.locator('.coditect-chat-welcome').getByText(advice).waitFor();
        await ide.ask('hello');
        await page.locator('.theia-ChatNode').filter({ hasText: advice }).first().waitFor();
        await picture(page, 'fault-no-model');
    });
});
