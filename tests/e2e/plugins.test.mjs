// Plugins, from their publisher to the people who use them: consent, a command, a view, a tool in the chat, a save hook, an update that asks for
// more, a right that is taken away, and the end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { Author, finish } from './harness/author.mjs';
import { launch, open, picture } from './harness/browser.mjs';
import { Chat } from './harness/chat.mjs';
import { Ide } from './harness/ide.mjs';
import { Models } from './harness/models.mjs';
import { Person } from './harness/person.mjs';
import { Plugins } from './harness/plugins.mjs';
import { eventually } from './harness/process.mjs';
import { Stack, commit } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

const ADMIN = 'admin@example.org';
const MEMBER = 'ada@example.org';
const TOOL = /conventional_commit$/;
/** Looks like a key of a cloud, and is one that its provider gives as an example. */
const SECRET = ['AKIA', 'IOSFODNN7', 'QWERTYU'].join('');
const REMARK = ['TO', 'DO'].join('');

let browser, stack, models, admin, ada, plugins, author, id;

/** Calls the tool when it is asked to, and says what the tool answered. */
function answer({ messages, tools = [] }) {
    const last = messages.at(-1);
    const tool = tools.find(({ function: { name } }) => TOOL.test(name));
    return last.role === 'tool' ? { content: `The tool said: ${last.content}` }
        : tool && JSON.stringify(last.content).includes('commit') ? { tool_calls: [{ index: 0, id: 'call', type: 'function', function: { name: tool.function.name, arguments: JSON.stringify({ message: 'Fixed it.' }) } }] }
            : { content: 'Understood.' };
}

before(async () => {
    models = await new Models(answer).start();
    stack = await Stack.start({ flags: ['--first-login', ADMIN], upstreams: [`mill=${models.url}`] });
    browser = await launch();
    admin = await open(browser);
    const { password } = JSON.parse(fs.readFileSync(path.join(stack.data, 'first-login.json'), 'utf8'));
    admin.person = Object.assign(new Person(admin.context, stack.url, ADMIN), { password });
    await admin.person.call('POST', 'auth/login', { email: ADMIN, password });
    ada = await open(browser);
    ada.person = await Person.register(ada.context, stack.url, MEMBER);
    ada.ide = new Ide(ada.page);
    plugins = new Plugins(ada.ide);
    stack.writeSettings(ada.person.id, { 'files.autoSave': 'off' });
    id = await ada.person.workspace('ours');
    const files = stack.filesOf(id);
    fs.mkdirSync(path.join(files, 'src'));
    fs.writeFileSync(path.join(files, 'src/main.rs'), `fn main() {\n    // ${REMARK}: greet by name\n}\n`);
    fs.writeFileSync(path.join(files, 'notes.txt'), 'nothing yet\n');
    commit(files, 'first');
    author = new Author(path.join(stack.dir, 'author'), admin.person);
});
after(async () => {
    await browser?.close();
    await stack?.stop();
    await models?.stop();
});

const step = steps('plugins', () => [ada, admin]);

step('an author publishes from the command line', async () => {
    await author.begin();
    // The name is kept: an admin takes it, who is logged in. A token may not.
    const [, public_key] = /Public key: (\S+)/.exec(await author.do('.', 'key', 'show'));
    await admin.person.call('POST', 'plugins/publishers', { name: 'coditect', public_key });
    for (const example of ['todo-tree', 'secrets', 'commit-message']) {
        const folder = author.take(example);
        if (fs.existsSync(path.join(folder, 'package.json'))) { await finish('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder }); }
        assert.match(await author.publish(example), /1\.0\.0/);
    }
    await assert.rejects(author.do('todo-tree', 'publish', '--key', '/dev/null'), /key/, 'a key that is none');
    const { plugins: found } = await ada.person.call('GET', 'plugins/registry?q=todo');
    assert.equal(found[0].id, 'coditect.todo-tree');
    await author.do('.', 'key', 'new', '--key', path.join(author.dir, 'another'));
    author.edit('secrets', 'plugin.toml', text => text.replace('1.0.0', '1.0.1'));
    const stranger = await author.do('secrets', 'publish', '--key', path.join(author.dir, 'another')).then(() => 'published', error => error.message);
    assert.match(stranger, /auth\.needs_login/, 'another key is added by its owner, who logs in');
}, { timeout: 900_000 });

step('somebody installs a plugin and sees what it asks for', async () => {
    await ada.page.goto(ada.person.ideUrl(id));
    await ada.ide.ready();
    await plugins.ask('todo', 'To-do tree');
    for (const text of ['To find the remarks in your files.', 'To keep the number of remarks for the status bar.']) {
        await ada.ide.dialog.getByText(text).waitFor();
    }
    await picture(ada.page, 'plugins-consent');
    await ada.ide.dialog.getByRole('button', { name: 'Cancel' }).click();
    await ada.ide.dialog.waitFor({ state: 'detached' });
    assert.deepEqual((await ada.person.call('GET', `plugins/installed?workspace=${id}`)).plugins, [], 'who cancels installs nothing');
    await plugins.install('todo', 'To-do tree');
    await picture(ada.page, 'plugins-installed');
}, { timeout: 180_000 });

step('its command opens its view, whose entries lead to their places', async () => {
    await ada.ide.command('To do: Show the list');
    const entry = plugins.view.getByText('greet by name');
    await entry.waitFor();
    await picture(ada.page, 'plugins-view');
    await entry.click();
    await ada.ide.editor('main.rs');
    await ada.page.locator('#theia-statusBar').getByText(/\b1\b/).first().waitFor();
});

step('a hook before saving asks, and what it asks about is not saved', async () => {
    await plugins.install('secrets', 'Secrets');
    await ada.ide.openFromTree('notes.txt');
    await ada.ide.typeAtEnd(`aws_access_key_id = ${SECRET}\n`);
    await ada.page.keyboard.press('Control+s');
    await ada.ide.dialog.waitFor();
    await picture(ada.page, 'plugins-save-hook');
    await ada.ide.answerDialog('Do not save');
    assert.ok(!fs.readFileSync(path.join(stack.filesOf(id), 'notes.txt'), 'utf8').includes(SECRET));
    await ada.page.locator('#theia-main-content-panel .monaco-editor:visible .squiggly-error, #theia-main-content-panel .monaco-editor:visible .squiggly-warning').first().waitFor();
}, { timeout: 180_000 });

step('a tool answers a model in the chat, and a secret never reaches it', async () => {
    await plugins.install('commit', 'Commit Message');
    await ada.ide.openChat();
    const chat = new Chat(ada.page);
    await ada.ide.ask('Check my commit message');
    await chat.allowTool();
    await chat.complete();
    const { result } = await chat.toolCall('conventional_commit');
    assert.match(result, /type/i);
    await picture(ada.page, 'plugins-tool');
    const before = models.questions.length;
    await ada.ide.ask(`Remember ${SECRET} for me`);
    await eventually('the question', () => models.questions.length > before);
    await chat.complete();
    assert.ok(!models.questions.join('').includes(SECRET), 'the filter took it out');
}, { timeout: 300_000 });

step('an update that asks for more waits for consent, and the older one goes on', async () => {
    author.edit('todo-tree', 'plugin.toml', text => `${text.replace('version = "1.0.0"', 'version = "1.1.0"')}\n[[capability]]\nname = "notify"\nreason = "To tell you when the list is empty."\n`);
    await author.publish('todo-tree');
    await plugins.show();
    const update = plugins.list.getByRole('button', { name: 'Update …' });
    await update.waitFor();
    await plugins.entry('To-do tree').getByText('1.0.0').waitFor();
    await update.click();
    await ada.ide.dialog.getByText('To tell you when the list is empty.').waitFor();
    await picture(ada.page, 'plugins-update');
    await plugins.agree();
    await plugins.entry('To-do tree').getByText('1.1.0').waitFor();
}, { timeout: 300_000 });

step('what is taken away is gone at once, and the person sees what was asked for', async () => {
    await plugins.entry('To-do tree').click();
    const rights = plugins.shownPage.getByRole('region', { name: 'Rights' });
    await rights.getByRole('checkbox', { name: /search/i }).or(rights.getByRole('switch', { name: /search/i })).first().click();
    await ada.ide.command('To do: Show the list');
    await plugins.view.getByText(/search|denied|grant/i).first().waitFor();
    await plugins.show();
    await plugins.entry('To-do tree').click();
    await plugins.shownPage.getByRole('button', { name: 'Look again' }).click();
    await plugins.shownPage.getByRole('list', { name: 'Denied' }).waitFor();
    await picture(ada.page, 'plugins-denied');
});

step('uninstalling leaves nothing behind', async () => {
    await plugins.shownPage.getByRole('button', { name: 'Uninstall …' }).click();
    await ada.ide.dialog.waitFor();
    await plugins.agree();
    await plugins.entry('To-do tree').waitFor({ state: 'detached' });
    const { plugins: left } = await ada.person.call('GET', `plugins/installed?workspace=${id}`);
    assert.deepEqual(left.map(({ manifest }) => manifest.id).sort(), ['coditect.commit-message', 'coditect.secrets']);
    assert.ok(!(await ada.ide.commandIds()).some(command => command.includes('todo-tree')));
});

step('the front shows the same, and an admin blocks it everywhere', async () => {
    await ada.page.goto(`${stack.url}account/plugins`);
    await ada.page.getByText('Secrets').first().waitFor();
    await picture(ada.page, 'plugins-front');
    await admin.page.goto(`${stack.url}admin/plugins`);
    await admin.page.getByRole('heading', { name: /plugins/i }).first().waitFor();
    await picture(admin.page, 'plugins-admin');
    const policy = await admin.person.call('GET', 'admin/plugins/policy');
    await admin.person.call('PUT', 'admin/plugins/policy', { ...policy, block: ['coditect.secrets'] });
    await eventually('it to be blocked', async () => {
        const { plugins: all } = await ada.person.call('GET', `plugins/installed?workspace=${id}`);
        return all.find(({ manifest }) => manifest.id === 'coditect.secrets').state === 'blocked';
    });
});

step('a version is taken back, who has it is told, and the log says so', async () => {
    await admin.person.workspace('mine');
    await admin.page.goto(`${stack.url}account/plugins?plugin=coditect.commit-message`);
    await admin.page.getByRole('button', { name: 'Take back 1.0.0' }).click();
    await admin.page.getByRole('button', { name: 'Take it back' }).click();
    await admin.page.getByRole('button', { name: 'Offer again 1.0.0' }).waitFor();
    await picture(admin.page, 'plugins-taken-back');
    await ada.page.reload();
    await ada.page.getByRole('listitem').filter({ hasText: 'coditect.commit-message' }).getByText('Taken back', { exact: true }).waitFor();
    const { plugins: found } = await ada.person.call('GET', 'plugins/registry?q=commit');
    assert.deepEqual(found, [], 'nobody installs it anew');
    await ada.page.getByRole('button', { name: 'Show the log' }).click();
    const newest = await ada.page.getByRole('region', { name: 'What happened in the registry' }).getByRole('listitem').first().innerText();
    assert.match(newest, /coditect\.commit-message 1\.0\.0 was taken back/);
    await picture(ada.page, 'plugins-log');
});
