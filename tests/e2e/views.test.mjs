// Every view, every menu and every command of the IDE, one after the other: nothing may fail unseen, and nothing may leave the page's own origin.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { LANGUAGES } from './fixtures/languages.mjs';
import { launch, open, picture } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

let browser, stack, page, faults, ide;

before(async () => {
    stack = await Stack.start();
    browser = await launch();
    const opened = await open(browser, { colorScheme: 'light', permissions: ['clipboard-read', 'clipboard-write'] });
    ({ page, faults } = opened);
    ide = new Ide(page);
    const person = await Person.register(opened.context, stack.url, 'ada@example.org');
    const id = await person.workspace('views');
    const files = stack.filesOf(id);
    for (const [name, text] of Object.entries(LANGUAGES)) { fs.writeFileSync(path.join(files, name), text); }
    for (const folder of ['src', 'node_modules', 'tests', '.git']) { fs.mkdirSync(path.join(files, folder)); }
    await page.goto(person.ideUrl(id));
    await ide.ready();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

const step = steps('view', () => [{ page, faults, ide }], {
    failed: async () => { for (let i = 0; i < 3; i++) { await page.keyboard.press('Escape'); } },
});

const menuItem = (label = '') => page.locator('.lm-Menu .lm-Menu-item:not(.lm-mod-collapsed)').filter({ hasText: label }).first();

/** The views by the command that shows them and something that is in them. */
const VIEWS = [
    ['explorer', 'Focus on Files Explorer', () => ide.node('Cargo.toml')],
    ['search', 'Find in Files', () => page.locator('#search-input-field')],
    ['coditect', 'Toggle Coditect', () => page.locator('.coditect-view').getByText('Round trip')],
    ['outline', 'Toggle Outline', () => page.locator('#outline-view')],
    ['problems', 'Toggle Problems', () => page.locator('#problems')],
    ['output', 'Toggle Output', () => page.locator('#outputView')],
    ['chat', 'Toggle AI Chat', () => page.locator('.theia-ChatInput .monaco-editor')],
    ['settings', 'Open Settings (UI)', () => page.locator('#settings_widget input').first()],
    ['settings-json', 'Open Settings (JSON)', () => page.locator('.lm-TabBar-tab.lm-mod-current').filter({ hasText: 'settings.json' })],
    ['keyboard', 'Open Keyboard Shortcuts', () => page.locator('.kb table tbody tr').first()],
    ['welcome', 'Welcome', () => page.locator('.coditect-welcome').getByText('Open a terminal')],
];

for (const [name, command, content] of VIEWS) {
    step(`view: ${name}`, async () => {
        await ide.command(command);
        await content().waitFor();
        await picture(page, `view-${name}`);
    });
}

step('view: terminal, split, and killed', async () => {
    await ide.newTerminal();
    await ide.run('printf "\\033[31mred\\033[0m %s\\n" "$TERM"');
    await ide.terminalText(/red xterm/);
    await picture(page, 'view-terminal');
    await ide.command('Terminal: Clear');
    await ide.command('Kill Terminal');
    await eventually('the terminal to be gone', async () => await page.locator('.terminal-container').count() === 0);
});

step('the dialogue About, and the notifications', async () => {
    await ide.command('About');
    await ide.dialog.filter({ hasText: 'Coditect' }).waitFor();
    await picture(page, 'view-about');
    await ide.dialog.getByRole('button', { name: 'OK' }).click();
    await ide.dialog.waitFor({ state: 'detached' });
    await ide.command('Show Notifications');
    await page.locator('.theia-notification-center.open').waitFor();
    await ide.command('Hide Notifications');
});

step('each menu opens', async () => {
    for (const name of ['File', 'Edit', 'Selection', 'View', 'Go', 'Terminal', 'Help']) {
        await page.locator('#theia-top-panel .lm-MenuBar-item').filter({ hasText: new RegExp(`^${name}$`) }).click();
        await menuItem().waitFor();
        await picture(page, `menu-${name.toLowerCase()}`);
        await page.keyboard.press('Escape');
        await page.locator('.lm-Menu').waitFor({ state: 'detached' });
    }
    await ide.treeTop();
    await ide.node('a.ts').click({ button: 'right' });
    await menuItem('Rename').waitFor();
    await picture(page, 'menu-file-in-tree');
    await page.keyboard.press('Escape');
});

step('a file of each language has its colours', async () => {
    const plain = [];
    await ide.treeTop();
    for (const name of Object.keys(LANGUAGES)) {
        await ide.node(name).dblclick();
        await ide.editor(name);
        const colours = () => page.evaluate(() => {
            const shown = [...document.querySelectorAll('#theia-main-content-panel .monaco-editor')].find(editor => editor.offsetParent);
            return new Set([...shown?.querySelectorAll('.view-line span span') ?? []].map(span => getComputedStyle(span).color)).size;
        });
        await eventually(`${name} to be coloured`, async () => await colours() >= 3, 10_000).catch(() => plain.push(name));
    }
    assert.deepEqual(plain, [], 'files without colours');
    await ide.quickOpen('a.rs', 'a.rs');
    await picture(page, 'view-editor-light');
});

step('what an editor offers', async () => {
    await ide.quickOpen('a.ts', 'a.ts');
    const editor = page.locator('#theia-main-content-panel .monaco-editor:visible').first();
    await editor.click();
    await page.keyboard.press('Control+f');
    await page.locator('.find-widget.visible').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+h');
    await page.locator('.find-widget.visible .replace-part').waitFor();
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+g');
    await page.locator('.quick-input-widget').waitFor();
    await page.keyboard.press('Escape');
    await editor.click({ button: 'right' });
    await menuItem().waitFor();
    await picture(page, 'menu-editor');
    await page.keyboard.press('Escape');
    await ide.command('Split Editor Right');
    await eventually('two editors', async () => await page.locator('#theia-main-content-panel .monaco-editor:visible').count() === 2);
    await ide.command('Close Tab in Main Area');
});

step('both icon themes', async () => {
    const icons = () => page.evaluate(() => [...document.querySelectorAll('#files .theia-TreeNode [class*=file-icon], #files .theia-TreeNode .theia-icon, #files .theia-TreeNode [class*="icon"]')]
        .map(icon => { const style = getComputedStyle(icon, '::before'); return `${style.backgroundImage}${style.content}${style.color}`; }).join('\n'));
    await ide.treeTop();
    const seen = new Set([await icons()]);
    for (const label of ['Seti (Coditect)', 'VSCode Icons (Coditect)']) {
        await ide.choose('File Icon Theme', label);
        await ide.settled();
        await ide.treeTop();
        await picture(page, `icons-${label.split(' ')[0].toLowerCase()}`);
        seen.add(await icons());
    }
    assert.equal(seen.size, 2, 'the themes look different');
});

step('dark and light', async () => {
    const background = () => page.evaluate(() => getComputedStyle(document.body).getPropertyValue('--theia-editor-background').trim());
    await ide.quickOpen('a.rs', 'a.rs');
    await ide.openChat();
    const light = await background();
    await ide.choose('Color Theme', 'Coditect Dark');
    await eventually('the dark theme', async () => await background() !== light);
    await picture(page, 'view-editor-dark');
    for (const [name, command, content] of VIEWS.filter(([view]) => ['settings', 'keyboard', 'welcome'].includes(view))) {
        await ide.command(command);
        await content().waitFor();
        await picture(page, `view-${name}-dark`);
    }
    await ide.choose('Color Theme', 'Coditect Light');
    await eventually('the light theme', async () => await background() === light);
});

step('the bars can be hidden and come back', async () => {
    for (const [command, bar] of [['Toggle Status Bar Visibility', '#theia-statusBar'], ['Toggle Menu Bar', '#theia-top-panel .lm-MenuBar-item >> nth=0']]) {
        await ide.command(command);
        await page.locator(bar).waitFor({ state: 'hidden' });
        await ide.command(command);
        await page.locator(bar).waitFor();
    }
});

/** Commands that leave the page, ask the browser for a file, or take the editors and bars away from the rest. */
const LEAVING = /newWindow|workspace:close|reset\.layout|perspective\.reset|file\.(upload|download)|close\.all|logout|toggleStatusbar|menuBarVisibility/;
step('a text that is closed while it is saved', async () => {
    await ide.quickOpen('a.ts', 'a.ts');
    await ide.commandIds();
    await page.evaluate(async () => {
        const commands = window.commandsUnderTest;
        await Promise.all(['core.save', 'core.close.main.tab'].map(id => commands.executeCommand(id)));
    });
    await ide.settled();
    assert.deepEqual([...faults.errors, ...faults.console], []);
});

step('every other command that is offered', async () => {
    await ide.quickOpen('a.ts', 'a.ts');
    const commands = await ide.commandIds();
    assert.ok(commands.length > 200, `only ${commands.length} commands`);
    const rejected = [];
    let tried = 0;
    for (const id of commands.filter(id => !LEAVING.test(id))) {
        const outcome = await ide.execute(id);
        tried += outcome === 'not offered' ? 0 : 1;
        if (outcome.startsWith('rejected')) { rejected.push(`${id}: ${outcome}`); }
        await ide.escape();
        assert.deepEqual([...faults.errors, ...faults.console], [], `after ${id}`);
    }
    await ide.settled();
    assert.deepEqual([...rejected, ...await ide.lateRejections()], []);
    assert.ok(tried > 150, `only ${tried} were offered`);
});

step('after all that the IDE still works, and nothing was asked of another origin', async () => {
    await ide.ready();
    assert.deepEqual([...faults.origins], [new URL(stack.url).host]);
});
