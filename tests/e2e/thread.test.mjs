// One thread through everything: a person registers, makes a workspace of a real repository, and works in the IDE, through nginx.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { Chat } from './harness/chat.mjs';
import { Ide } from './harness/ide.mjs';
import { PASSWORD } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { skipWithout } from './harness/requirements.mjs';
import { REPOSITORY_FILES, Stack, parts, trackedFiles } from './harness/stack.mjs';

const EMAIL = 'ada@example.org';

let broken, stack, browser, page, faults, ide, workspaceId, files;

before(async () => {
    stack = await Stack.start();
    browser = await launch();
    ({ page, faults } = await open(browser));
    ide = new Ide(page);
});
after(async () => {
    if (page) { await picture(page, 'thread-last'); }
    await browser?.close();
    await stack?.stop();
});

/** One step of the thread, after which nothing may have gone wrong unseen: those after a broken one have nothing to stand on. */
function step(name, options, run = options) {
    test(name, run === options ? {} : options, async () => {
        assert.ok(!broken, `not tried, because this failed: ${broken}`);
        broken = name;
        await run();
        faults.assertNone();
        broken = undefined;
    });
}

step('register, with each mistake answered and nothing typed lost', async () => {
    await page.goto(`${stack.url}`);
    await page.getByRole('link', { name: 'Sign up' }).click();
    await page.getByLabel('E-mail').fill(EMAIL);
    await page.getByLabel('Password', { exact: true }).fill('short');
    await faults.during([refused(400)], async () => {
        await page.getByRole('button', { name: 'Create account' }).click();
        await page.getByText('auth.weak_password').waitFor();
    });
    assert.equal(await page.getByLabel('E-mail').inputValue(), EMAIL);
    await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Create account' }).click();
    await page.getByRole('heading', { name: 'Workspaces' }).waitFor();
});

step('create a workspace from a git repository', async () => {
    const repository = stack.makeRepository('theia-sources');
    await page.getByRole('button', { name: 'New workspace' }).click();
    await page.getByRole('tab', { name: 'Git repository' }).click();
    await page.getByLabel('Repository URL or path').fill(repository);
    await page.getByRole('button', { name: 'Create workspace' }).click();
    const link = page.getByRole('link', { name: 'Open theia-sources' });
    await link.waitFor();
    await picture(page, 'dashboard');
    workspaceId = new URL(await link.getAttribute('href'), stack.url).searchParams.get('workspace');
    files = stack.filesOf(workspaceId);
    assert.ok(fs.existsSync(path.join(files, '.git')));
    assert.ok(trackedFiles(files).length > REPOSITORY_FILES);
});

step('open the IDE', async () => {
    await page.getByRole('link', { name: 'Open theia-sources' }).click();
    await ide.ready();
    await ide.node('README.md').waitFor();
    await picture(page, 'ide');
});

step('open a file from the tree, edit, save: the bytes are on the disk', async () => {
    await ide.openFromTree('hello.py');
    await ide.typeAtEnd('\nprint(greet("ädä"))\n');
    assert.ok(await ide.isDirty());
    await ide.save();
    assert.match(fs.readFileSync(path.join(files, 'hello.py'), 'utf8'), /print\(greet\("ädä"\)\)/);
});

step('quick open', async () => {
    await ide.quickOpen('application-shell.ts', 'application-shell.ts');
    assert.match(await ide.editorText(), /Copyright|import/);
});

step('a change on the disk shows in the editor', async () => {
    await ide.openFromTree('README.md');
    fs.appendFileSync(path.join(files, 'README.md'), '\nWritten outside: wombat-8.\n');
    await eventually('the editor to show the change', async () => (await ide.editorText()).includes('wombat-8'));
    fs.writeFileSync(path.join(files, 'appeared.txt'), 'x');
    await ide.treeTop();
    await ide.node('appeared.txt').waitFor();
});

step('a file that changed meanwhile is not overwritten unasked', async () => {
    await ide.openFromTree('hello.py');
    await ide.typeAtEnd('# mine\n');
    const theirs = `${fs.readFileSync(path.join(files, 'hello.py'), 'utf8')}# theirs\n`;
    fs.writeFileSync(path.join(files, 'hello.py'), theirs);
    await page.keyboard.press('Control+s');
    const dialog = page.locator('.dialogBlock, .theia-notification-list-item').filter({ hasText: /hello\.py/ }).first();
    await dialog.waitFor();
    await picture(page, 'conflict');
    assert.equal(fs.readFileSync(path.join(files, 'hello.py'), 'utf8'), theirs);
    await page.keyboard.press('Escape');
    await ide.command('Revert File');
    await eventually('the newer text', async () => (await ide.editorText()).includes('# theirs'));
    assert.equal(await ide.isDirty(), false);
});

step('text search', async () => {
    const result = await ide.searchText('quokka-4711');
    await result.click();
    await ide.editor('README.md');
    await picture(page, 'search');
});

step('a terminal runs real commands, resizes, and survives a reload with its output', async () => {
    await ide.newTerminal();
    await ide.run('echo "sum $((40+2))" && git log --format="commit %s" && pwd');
    await ide.terminalText(/sum 42[\s\S]*commit second[\s\S]*commit first[\s\S]*\/workspace\/theia-sources/);
    await ide.run('stty size');
    const narrow = /^(\d+) (\d+)$/m.exec(await ide.terminalText(/^\d+ \d+$/m));
    await page.setViewportSize({ width: 1000, height: 900 });
    await eventually('the terminal to be resized', async () => {
        await ide.run('clear; stty size');
        const size = /^(\d+) (\d+)$/m.exec(await ide.terminalText(/^\d+ \d+$/m));
        return Number(size[2]) < Number(narrow[2]);
    });
    await page.setViewportSize({ width: 1400, height: 900 });
    await ide.run('clear; MARK=kept; echo "before $MARK"');
    await ide.terminalText(/before kept/);
    await picture(page, 'terminal');
    await page.reload();
    await ide.ready();
    await ide.terminalText(/before kept/);
    await ide.run('echo "after $MARK"');
    await ide.terminalText(/after kept/);
});

step('the server is killed and restarted under the open page, and the person goes on', async () => {
    await ide.openFromTree('hello.py');
    faults.outage = true;
    await ide.typeAtEnd('# typed before\n');
    await stack.killAndRestart();
    await ide.typeAtEnd('# typed after\n');
    await ide.save();
    faults.outage = false;
    assert.match(fs.readFileSync(path.join(files, 'hello.py'), 'utf8'), /# typed before\n# typed after/);
    await ide.newTerminal();
    await ide.run('echo again $((1+1))');
    await ide.terminalText(/again 2/);
    fs.appendFileSync(path.join(files, 'hello.py'), '# outside again\n');
    await eventually('the watch to work again', async () => (await ide.editorText()).includes('# outside again'));
});

const CHAT = 'the chat runs a tool and streams an answer, and the tokens are counted';

step(CHAT, { skip: skipWithout('model', parts.model ? '' : 'no model server could be had') }, async () => {
    const chat = new Chat(page);
    const name = `${randomBytes(6).toString('hex')}.txt`;
    fs.mkdirSync(path.join(files, 'src/burrow'), { recursive: true });
    fs.writeFileSync(path.join(files, 'src/burrow', name), '');
    await ide.openChat();
    await chat.watch();
    // So small a model calls the right tool when it is named by its words, with the right argument when the question holds a path.
    await ide.ask('list the files in src/burrow');
    await chat.allowTool();
    await chat.complete();
    await picture(page, 'chat');
    const { line, result } = await chat.toolCall('list_files');
    assert.ok(result.includes(name), `the result of the tool, not ${result}`);
    assert.ok(!line.includes(name), `the name can only come from the tool: ${line}`);
    const growth = await chat.growth();
    assert.ok(growth.length > 2, `the answer came in pieces of ${growth} characters`);
    await page.locator('#theia-statusBar').getByText('Online').click();
    const tokens = /([\d,.]+) read, ([\d,.]+) written/.exec(await page.locator('.coditect-view').getByText(/\d written/).innerText());
    assert.ok(tokens.slice(1).every(count => Number(count.replaceAll(/\D/g, '')) > 0), tokens[0]);
});
