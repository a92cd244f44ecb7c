// What plugins offer beside commands, tools and hooks: formatters, views of files, somebody to talk to, models, steps of builds, places in the
// status bar, themes and diagnostics; and how one is stopped that never ends.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { Author } from './harness/author.mjs';
import { launch, open, picture } from './harness/browser.mjs';
import { Chat } from './harness/chat.mjs';
import { Ide } from './harness/ide.mjs';
import { MODEL, Models } from './harness/models.mjs';
import { Person } from './harness/person.mjs';
import { Plugins } from './harness/plugins.mjs';
import { eventually } from './harness/process.mjs';
import { Stack, commit } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

const ADMIN = 'admin@example.org';
const MEMBER = 'ada@example.org';
const REMARK = ['TO', 'DO'].join('');
const EXAMPLES = ['csv-table', 'formatter', 'json-tools', 'licences', 'local-models', 'sql-explainer', 'todo-tree'];
/** Made by the test: it offers a theme, and a formatter that never ends where it is told so. */
const SPINNER = 'acme.spinner';
const ENDLESS = 'for ever';
/** As many faults within an hour switch a plugin off. */
const FAULTS_AT_MOST = 10;
const BACKGROUND = '#2b1d33';

const FILES = {
    'package.json': '{"name":"ours",\n"private":true , "version":"1.0.0"}\n',
    'broken.json': '{\n  "a": 1,\n  "b": [1 2]\n}\n',
    'settings.toml': 'name="ours"\n[server]\nport   =  80 # of the web\n',
    'README.md': '# Ours\n\n|name|what|\n|-|-|\n|one|the first of them|\n',
    'prices.csv': 'fruit,price,ripe\npear,2.5,yes\napple,10,no\nquince,0.9,yes\n',
    'query.sql': 'SELECT name FROM fruit WHERE price > 1;\nDELETE FROM fruit;\n',
    'package-lock.json': `${JSON.stringify({ lockfileVersion: 3, packages: { 'node_modules/good': { version: '1.0.0', license: 'MIT' }, 'node_modules/bad': { version: '2.0.0', license: 'AGPL-3.0-only' } } }, undefined, 2)}\n`,
    'src/main.rs': `fn main() {\n    // ${REMARK}: greet by name\n    // ${REMARK}: and loudly\n}\n`,
    'notes.txt': `${ENDLESS}\n`,
};

let browser, stack, models, admin, ada, plugins, author, id;

before(async () => {
    models = await new Models(({ messages }) => ({ content: `You said: ${JSON.stringify(messages.at(-1).content)}` })).start();
    stack = await Stack.start({ flags: ['--first-login', ADMIN, '--plugin-private-hosts', 'true'], upstreams: [] });
    browser = await launch();
    const { context } = await open(browser);
    const { password } = JSON.parse(fs.readFileSync(path.join(stack.data, 'first-login.json'), 'utf8'));
    admin = Object.assign(new Person(context, stack.url, ADMIN), { password });
    await admin.call('POST', 'auth/login', { email: ADMIN, password });
    await policy({ publish: 'everybody' });
    ada = await open(browser);
    ada.person = await Person.register(ada.context, stack.url, MEMBER);
    ada.ide = new Ide(ada.page);
    plugins = new Plugins(ada.ide);
    stack.writeSettings(ada.person.id, { 'files.autoSave': 'off' });
    id = await ada.person.workspace('ours');
    for (const [name, text] of Object.entries(FILES)) {
        const file = path.join(stack.filesOf(id), name);
        fs.mkdirSync(path.dirname(file), { recursive: true });
        fs.writeFileSync(file, text);
    }
    commit(stack.filesOf(id), 'first');
    author = new Author(path.join(stack.dir, 'author'), admin);
});
after(async () => {
    await browser?.close();
    await stack?.stop();
    await models?.stop();
});

const step = steps('plugins-offers', () => [ada]);

/** Changes what the admin lets plugins do. */
async function policy(change) {
    await admin.call('PUT', 'admin/plugins/policy', { ...await admin.call('GET', 'admin/plugins/policy'), ...change });
}
/** The plugin as the server knows it. */
async function installed(plugin) {
    const all = await ada.person.call('GET', `plugins/installed?workspace=${id}`);
    return all.plugins.find(({ manifest }) => manifest.id === plugin);
}
/** Formats the editor in front, until it says something else. */
async function format(pattern) {
    await ada.ide.command('Format Document');
    await eventually('the text in order', async () => pattern.test(await ada.ide.editorText()));
}

step('an author publishes from the command line', async () => {
    await author.begin();
    for (const example of EXAMPLES) {
        author.take(example);
        // The examples' own publisher is Coditect itself.
        author.edit(example, 'plugin.toml', text => text.replace('id = "coditect.', 'id = "acme.'));
    }
    // It reaches only those that it names, and the test's server is elsewhere.
    author.edit('local-models', 'plugin.toml', text => text.replace(/hosts = \[.*\]/, `hosts = ["127.0.0.1:${models.port}"]`).replace('http://127.0.0.1:11434', models.url));
    for (const example of EXAMPLES) { await author.publish(example); }
    await author.do('.', 'new', 'spinner', '--language', 'rust', '--publisher', 'acme');
    author.edit('spinner', 'src/lib.rs', text => text.replace('Result<Vec<TextEdit>> {', `Result<Vec<TextEdit>> {\n        while document.text.starts_with("${ENDLESS}") {\n            std::hint::spin_loop();\n        }`));
    author.edit('spinner', 'plugin.toml', text => `${text.replace('"markdown", "plaintext"', '"plaintext"')}\n[[themes]]\nid = "plum"\ntitle = "Plum"\ndark = true\npath = "assets/plum.json"\n`);
    fs.mkdirSync(path.join(author.dir, 'spinner/assets'));
    fs.writeFileSync(path.join(author.dir, 'spinner/assets/plum.json'), JSON.stringify({ colors: { 'editor.background': BACKGROUND }, tokenColors: [{ scope: 'comment', settings: { foreground: '#a0c080', fontStyle: 'italic' } }] }));
    await author.publish('spinner');
}, { timeout: 900_000 });

step('a formatter puts texts in order, and says why where it cannot', async () => {
    await ada.page.goto(ada.person.ideUrl(id));
    await ada.ide.ready();
    await plugins.install('formatter', 'Formatter for Markdown, TOML and JSON');
    await ada.ide.openFromTree('settings.toml');
    await format(/^name = "ours"\n\n\[server\]\nport = 80 # of the web$/m);
    await ada.ide.save();
    assert.equal(fs.readFileSync(path.join(stack.filesOf(id), 'settings.toml'), 'utf8'), 'name = "ours"\n\n[server]\nport = 80 # of the web\n');
    await ada.ide.openFromTree('README.md');
    await format(/^\| one +\| the first of them \|$/m);
    await picture(ada.page, 'plugins-format');
    await ada.ide.save();
    await ada.ide.openFromTree('broken.json');
    await ada.ide.command('Format Document');
    await ada.ide.message(/Line 3, column 11/).waitFor();
    await picture(ada.page, 'plugins-format-broken');
    assert.ok(!await ada.ide.isDirty());
    await ada.ide.clearMessages();
}, { timeout: 300_000 });

step('a file is shown by a view in place of the editor, and from then on by a double click', async () => {
    await plugins.install('csv', 'CSV as a table');
    await ada.ide.treeTop();
    await ada.ide.node('prices.csv').click({ button: 'right' });
    await ada.page.locator('.lm-Menu-itemLabel', { hasText: 'Open With...' }).click();
    const row = text => ada.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: text }).first();
    await row('Table').waitFor();
    await picture(ada.page, 'plugins-open-with');
    await row('Configure default editor').click();
    await ada.page.locator('.quick-input-widget').getByPlaceholder('Select new default editor').waitFor();
    await row('Table').click();
    const cells = column => plugins.view.locator('tbody tr').locator(`td:nth-child(${column})`).allInnerTexts();
    const shows = (column, expected) => eventually(`the table to show ${expected}`, async () => JSON.stringify(await cells(column)) === JSON.stringify(expected));
    await shows(1, ['pear', 'apple', 'quince']);
    await plugins.view.getByRole('button', { name: 'price' }).click();
    await shows(2, ['0.9', '2.5', '10']);
    await plugins.view.getByRole('button', { name: 'price' }).click();
    await shows(2, ['10', '2.5', '0.9']);
    await picture(ada.page, 'plugins-table');
    const find = plugins.view.getByRole('textbox', { name: 'Find' });
    await find.fill('yes');
    await find.press('Enter');
    await shows(1, ['pear', 'quince']);
    await plugins.view.locator('tbody tr').first().click();
    await plugins.view.getByRole('heading', { name: 'Row 1' }).waitFor();
    await picture(ada.page, 'plugins-table-row');
    await ada.page.locator('#theia-main-content-panel .lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon').click();
    await plugins.view.waitFor({ state: 'detached' });
    await ada.ide.tryFromTree('prices.csv');
    await shows(1, ['pear', 'apple', 'quince']);
}, { timeout: 180_000 });

step('commands in C change the text in the editor, and say where it is wrong', async () => {
    await plugins.install('json', 'JSON Tools');
    await ada.ide.openFromTree('package.json');
    await ada.ide.command('Sort JSON Keys');
    await eventually('the keys in order', async () => /name[^]*private[^]*version/.test(await ada.ide.editorText()));
    await ada.ide.command('Minify JSON');
    await eventually('one line', async () => (await ada.ide.editorText()).trim() === '{"name":"ours","private":true,"version":"1.0.0"}');
    await ada.page.keyboard.press('Control+z');
    await eventually('one step to be undone', async () => !(await ada.ide.editorText()).includes('"ours","private"'));
    await ada.ide.openFromTree('broken.json');
    await ada.ide.command('Minify JSON');
    await ada.ide.message(/JSON Tools.*Line 3, column 11/).waitFor();
    await ada.ide.clearMessages();
}, { timeout: 180_000 });

step('a place in the status bar counts, and leads to its view', async () => {
    await plugins.install('todo', 'To-do tree');
    const item = ada.page.locator('#theia-statusBar').getByText('2 to do');
    await item.click();
    await plugins.view.getByText('and loudly').waitFor();
    await picture(ada.page, 'plugins-status-item');
}, { timeout: 180_000 });

step('a step of a build is run from the palette, and tells what it found', async () => {
    await plugins.install('licences', 'Licences');
    await ada.ide.command('Run Step: Licences of dependencies');
    const message = ada.ide.message(/Licences of dependencies failed/);
    await message.waitFor();
    await ada.ide.command('Toggle Problems');
    await ada.page.locator('#problems').getByText('bad 2.0.0: AGPL-3.0-only is not allowed').waitFor();
    await picture(ada.page, 'plugins-build-step');
    await message.getByRole('button', { name: 'Show the report' }).click();
    await ada.ide.dialog.getByRole('cell', { name: 'AGPL-3.0-only' }).waitFor();
    await picture(ada.page, 'plugins-build-report');
    await ada.ide.answerDialog('Close');
    await ada.ide.command('Toggle Problems');
}, { timeout: 180_000 });

step('models of a plugin are asked once operator, admin and person let it reach their server', async () => {
    await plugins.ask('local', 'Local models');
    await ada.ide.dialog.getByText(`127.0.0.1:${models.port}`).waitFor();
    assert.equal(await ada.ide.dialog.locator('button:focus').innerText(), 'Cancel', 'whoever only presses Enter agrees to nothing');
    await picture(ada.page, 'plugins-consent-private');
    await plugins.agree();
    await plugins.ready('Local models');
    await ada.ide.openChat();
    const chosen = ada.page.locator('.theia-ChatInput-ModelSelector');
    await plugins.showPage('Local models');
    const denied = plugins.shownPage.getByRole('list', { name: 'Denied' });
    await eventually('what was denied', async () => {
        await plugins.shownPage.getByRole('button', { name: 'Look again' }).click();
        return denied.getByText('this server lets no plugin into private networks').isVisible();
    });
    await denied.scrollIntoViewIfNeeded();
    await picture(ada.page, 'plugins-private-refused');
    assert.equal(await chosen.count(), 0, 'no model is known yet');
    await policy({ private_hosts: true });
    await ada.page.locator('#chat-view-widget').getByRole('button', { name: 'Look again' }).click();
    await chosen.waitFor();
    await chosen.click();
    const model = `plugin/acme.local-models/local/${MODEL}`;
    // The first is the default, which says what it is at the moment.
    await ada.page.locator('.theia-select-component-option').filter({ hasText: model }).last().click();
    await chosen.getByText(model).waitFor();
    await ada.ide.ask('Is anybody there?');
    const chat = new Chat(ada.page);
    await chat.complete();
    await chat.answer.getByText('You said: "Is anybody there?"').waitFor();
    await picture(ada.page, 'plugins-provider');
}, { timeout: 300_000 });

step('a plugin that never ends is stopped, rests, is given up, and gets another chance', async () => {
    await plugins.install('spinner', 'Spinner');
    await ada.ide.openFromTree('notes.txt');
    const failures = async () => (await installed(SPINNER)).figures?.failures ?? 0;
    const spin = async () => {
        const before = await failures();
        await ada.ide.command('Format Document');
        await eventually('the call to be stopped', async () => await failures() === before + 1);
    };
    await spin();
    await ada.ide.message(/Spinner \(plugin\)/).waitFor();
    await picture(ada.page, 'plugins-stopped');
    await spin();
    await spin();
    await eventually('its rest to be over', async () => (await installed(SPINNER)).state === 'ready');
    await spin();
    // The longer the rest, the surer it is seen.
    await eventually('its rest to be over', async () => (await installed(SPINNER)).state === 'ready');
    await spin();
    await plugins.show();
    await plugins.entry('Spinner').getByText('Rests').waitFor();
    await picture(ada.page, 'plugins-rests');
    // One call that goes well, and it is trusted again: the rests stay short.
    const greet = async () => {
        await eventually('its rest to be over', async () => (await installed(SPINNER)).state === 'ready');
        await ada.ide.clearMessages();
        await ada.ide.command('Spinner: Greet');
        await ada.ide.message(/Hello, world!/).waitFor();
    };
    while (await failures() < FAULTS_AT_MOST) {
        if (await failures() % 2 === 1) { await greet(); }
        await ada.ide.openFromTree('notes.txt');
        await spin();
    }
    await ada.ide.message(/It failed too often/).waitFor();
    await plugins.showPage('Spinner');
    await plugins.shownPage.getByRole('status').getByText('It failed too often').waitFor();
    await plugins.entry('Spinner').getByText('Failed').waitFor();
    await picture(ada.page, 'plugins-failed');
    assert.ok(!(await ada.ide.commandIds()).some(command => command.includes('spinner')));
    await plugins.shownPage.getByRole('button', { name: 'Switch on' }).click();
    await plugins.ready('Spinner');
    await greet();
}, { timeout: 300_000 });

step('somebody in the chat explains SQL, and its faults are marked', async () => {
    await plugins.install('sql', 'SQL Explainer');
    await ada.ide.openFromTree('query.sql');
    await ada.page.locator('#theia-main-content-panel .monaco-editor:visible .squiggly-warning, #theia-main-content-panel .monaco-editor:visible .squiggly-error').first().waitFor();
    await ada.ide.openChat();
    await ada.ide.ask('@sql What does this do?');
    const chat = new Chat(ada.page);
    await chat.complete();
    await chat.answer.getByText(/every row/i).first().waitFor();
    await picture(ada.page, 'plugins-participant');
}, { timeout: 600_000 });

step('a theme is chosen and taken away with its plugin', async () => {
    const background = () => ada.page.evaluate(() => getComputedStyle(document.documentElement).getPropertyValue('--theia-editor-background').trim());
    const before = await background();
    await ada.ide.choose('Color Theme', 'Plum');
    await eventually('the colours of the theme', async () => await background() === BACKGROUND);
    await picture(ada.page, 'plugins-theme');
    await plugins.showPage('Spinner');
    await plugins.shownPage.getByRole('button', { name: 'Switch off' }).click();
    await eventually('the colours from before', async () => await background() === before);
    await plugins.shownPage.getByRole('button', { name: 'Switch on' }).click();
    await plugins.ready('Spinner');
}, { timeout: 180_000 });
