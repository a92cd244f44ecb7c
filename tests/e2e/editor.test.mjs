// What a person typed or ran survives bad timing: a save under way, a declined conflict, a login that ended.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';

let browser, stack;

before(async () => {
    browser = await launch();
    stack = await Stack.start({ upstreams: [] });
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

let people = 0;

/** A test in the IDE of a new person, whose settings are these; afterwards nothing may have gone wrong unseen. */
function inIde(name, settings, run) {
    test(name, async () => {
        const opened = await open(browser);
        try {
            const person = await Person.register(opened.context, stack.url, `editor${++people}@example.org`);
            const id = await person.workspace('editor');
            const file = path.join(stack.filesOf(id), 'note.txt');
            fs.writeFileSync(file, 'common\n');
            stack.writeSettings(person.id, settings);
            await opened.page.goto(person.ideUrl(id));
            const ide = new Ide(opened.page);
            await ide.ready();
            await run({ ...opened, ide, person, file });
            opened.faults.assertNone();
        } catch (error) {
            await picture(opened.page, `failed-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`).catch(() => undefined);
            throw error;
        } finally { await opened.context.close(); }
    });
}

const read = file => fs.readFileSync(file, 'utf8');

inIde('what is typed while a save is under way is not taken for saved', { 'files.autoSave': 'off' }, async ({ page, ide, file }) => {
    await ide.openFromTree('note.txt');
    await ide.typeAtEnd('sent');
    // The server holds its breath: the save stays under way.
    process.kill(stack.server.pid, 'SIGSTOP');
    try {
        await page.keyboard.press('Control+s');
        await page.keyboard.type(' and typed meanwhile');
    } finally { process.kill(stack.server.pid, 'SIGCONT'); }
    await eventually('the first text on the disk', () => read(file) === 'common\nsent');
    await ide.settled();
    assert.ok(await ide.isDirty());
    await ide.save();
    assert.equal(read(file), 'common\nsent and typed meanwhile');
});

inIde('undoing while a save is under way is a change of what was saved', { 'files.autoSave': 'off' }, async ({ page, ide, file }) => {
    await ide.openFromTree('note.txt');
    await ide.typeAtEnd('x');
    process.kill(stack.server.pid, 'SIGSTOP');
    try {
        await page.keyboard.press('Control+s');
        await page.keyboard.press('Control+z');
    } finally { process.kill(stack.server.pid, 'SIGCONT'); }
    await eventually('the first text on the disk', () => read(file) === 'common\nx');
    await ide.settled();
    assert.ok(await ide.isDirty());
    await ide.save();
    assert.equal(read(file), 'common\n');
});

inIde('after a declined conflict the tab asks before it closes', {}, async ({ page, ide, file }) => {
    await ide.openFromTree('note.txt');
    await ide.typeAtEnd('mine');
    fs.writeFileSync(file, 'theirs\n');
    // Saving by itself is on.
    await ide.dialog.filter({ hasText: /note\.txt/ }).waitFor();
    await ide.answerDialog('Keep mine');
    await page.locator('#theia-main-content-panel .lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon').click();
    await ide.dialog.filter({ hasText: /save/i }).waitFor();
    await picture(page, 'fault-close-after-conflict');
    await ide.answerDialog('Cancel');
    assert.equal(read(file), 'theirs\n');
    assert.match(await ide.editorText(), /mine/);
    assert.ok(await ide.isDirty());
});

inIde('a terminal goes on after a new login, with what it showed', {}, async ({ page, ide, person, faults }) => {
    faults.expect(refused(401));
    await ide.newTerminal();
    await ide.run('before=kept; echo shown before');
    await ide.terminalText(/^shown before$/m);
    await person.call('POST', 'auth/logout');
    const notice = page.locator('.coditect-notice').filter({ hasText: 'auth.session_ended' });
    await notice.waitFor();
    await person.logIn();
    await notice.getByRole('button', { name: 'Connect again' }).click();
    await notice.waitFor({ state: 'detached' });
    await ide.run('echo "after, $before"');
    const text = await ide.terminalText(/^after, kept$/m);
    assert.match(text, /^shown before$/m);
    assert.equal(text.match(/^shown before$/gm).length, 1, 'output is there once');
});

inIde('what a repository says about an agent does not count', {}, async ({ page, file }) => {
    const settings = path.join(path.dirname(file), '.theia', 'settings.json');
    fs.mkdirSync(path.dirname(settings));
    fs.writeFileSync(settings, JSON.stringify({
        'editor.fontSize': 33,
        'ai-features.chat.defaultToolConfirmation': 'always_allow',
        'ai-features.chat.toolConfirmation': { write_file: 'always_allow' }
    }));
    const read = () => page.evaluate(() => {
        const { container } = window.theia;
        const service = name => container.get([...container._bindingDictionary._map.keys()].find(id => typeof id === 'symbol' && id.description === name));
        return {
            size: service('PreferenceService').get('editor.fontSize'),
            all: service('AiConfigurationService').get('ai-features.chat.defaultToolConfirmation'),
            write: service('AiConfigurationService').get('ai-features.chat.toolConfirmation')?.write_file
        };
    });
    await eventually('the settings of the workspace', async () => (await read()).size === 33);
    assert.deepEqual(await read(), { size: 33, all: 'confirm', write: undefined });
});
