// Files as a person lives with them: the trash, large folders, uploads that are cut off, downloads, encodings, what is full.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, picture } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';

const QUOTA_BYTES = 200_000_000;
let browser, stack;

before(async () => {
    browser = await launch();
    stack = await Stack.start({ upstreams: [], flags: ['--workspace-quota-bytes', String(QUOTA_BYTES)] });
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

let people = 0;

/** A test in the IDE of a new person; `fill` puts the first files into the workspace's folder. */
function inIde(name, fill, run) {
    test(name, async () => {
        const opened = await open(browser);
        try {
            const person = await Person.register(opened.context, stack.url, `files${++people}@example.org`);
            const id = await person.workspace('files');
            const folder = stack.filesOf(id);
            await fill(folder);
            await opened.page.goto(person.ideUrl(id));
            const ide = new Ide(opened.page);
            await ide.ready();
            await run({ ...opened, ide, person, folder, id });
        } catch (error) {
            await picture(opened.page, `failed-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`).catch(() => undefined);
            throw error;
        } finally { await opened.context.close(); }
    });
}

inIde('what was deleted is had back from the trash', folder => {
    fs.mkdirSync(path.join(folder, 'src'));
    fs.writeFileSync(path.join(folder, 'src/kept.txt'), 'kept');
}, async ({ page, ide, folder }) => {
    await ide.treeTop();
    await ide.node('src').click();
    await page.keyboard.press('Delete');
    await ide.dialog.getByRole('button').last().click();
    await eventually('the folder to be gone', () => !fs.existsSync(path.join(folder, 'src')));
    await ide.command('Toggle Trash View');
    const restore = page.getByRole('button', { name: 'Restore src' });
    await restore.waitFor();
    await restore.click();
    await eventually('the folder to be back', () => fs.existsSync(path.join(folder, 'src/kept.txt')));
    await page.getByText('The trash is empty').waitFor();
});

inIde('a folder of many entries is shown in parts', folder => {
    fs.mkdirSync(path.join(folder, 'many'));
    for (let number = 0; number < 5000; number++) { fs.writeFileSync(path.join(folder, 'many', `f${String(number).padStart(5, '0')}`), ''); }
}, async ({ page, ide }) => {
    await ide.treeTop();
    await ide.node('many').click();
    await ide.node('f00000').waitFor();
    const more = page.locator('#files .theia-TreeNode').filter({ hasText: 'Show more' });
    const toEnd = () => eventually('the end of the folder', async () => {
        await page.locator('#files').hover();
        await page.mouse.wheel(0, 1_000_000);
        return await more.count() > 0 || await ide.node('f04999').count() > 0;
    });
    await toEnd();
    assert.match(await more.innerText(), /2,000/);
    await more.click();
    await eventually('the next part', async () => { await toEnd(); return /4,000/.test(await more.innerText().catch(() => '')); });
    await more.click();
    await eventually('the last one', async () => { await toEnd(); return await ide.node('f04999').count() > 0; });
    assert.equal(await more.count(), 0);
});

inIde('an upload goes on after the server was killed', () => undefined, async ({ page, ide, folder }) => {
    const source = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'upload-')), 'large.bin');
    fs.writeFileSync(source, crypto.randomBytes(60_000_000));
    try {
        const choosing = page.waitForEvent('filechooser');
        await ide.command('Upload Files');
        await (await choosing).setFiles(source);
        await ide.message(/0 of 1 files/).waitFor();
        await stack.killAndRestart();
        const target = path.join(folder, 'large.bin');
        await eventually('the file to be there', () => fs.existsSync(target), 120_000);
        assert.ok(fs.readFileSync(target).equals(fs.readFileSync(source)));
    } finally { fs.rmSync(path.dirname(source), { recursive: true }); }
});

inIde('a folder is downloaded as one archive', folder => {
    fs.mkdirSync(path.join(folder, 'docs/deep'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'docs/deep/a.txt'), 'alpha');
}, async ({ page, ide }) => {
    await ide.treeTop();
    await ide.node('docs').click();
    const downloading = page.waitForEvent('download');
    await ide.command('Download');
    const download = await downloading;
    assert.equal(download.suggestedFilename(), 'docs.zip');
    const bytes = fs.readFileSync(await download.path());
    assert.ok(bytes.subarray(0, 2).equals(Buffer.from('PK')) && bytes.includes('docs/deep/a.txt'));
});

inIde('encodings and line ends are kept, and what is no text is asked about', folder => {
    fs.writeFileSync(path.join(folder, 'old.txt'), Buffer.from('gr\xfc\xdfe\r\nzwei\r\n', 'latin1'));
    fs.writeFileSync(path.join(folder, 'binary.dat'), Buffer.from([0, 1, 2, 0, 255, 0, 7]));
}, async ({ page, ide, folder }) => {
    await ide.openFromTree('old.txt');
    await page.locator('#theia-statusBar').getByText('CRLF').waitFor();
    await ide.command('Change File Encoding');
    const row = text => page.locator('.quick-input-list .monaco-list-row').filter({ hasText: text }).first();
    await row('Reopen with Encoding').click();
    await page.locator('.quick-input-widget input[type=text]').fill('Western (ISO 8859-1)');
    await row('Western (ISO 8859-1)').click();
    await eventually('the umlauts', async () => (await ide.editorText()).startsWith('grüße'));
    await ide.typeAtEnd('drei');
    await ide.save();
    assert.ok(fs.readFileSync(path.join(folder, 'old.txt')).equals(Buffer.from('gr\xfc\xdfe\r\nzwei\r\ndrei', 'latin1')));
    await ide.tryFromTree('binary.dat');
    await ide.dialog.waitFor();
    await ide.escape();
});

inIde('a full workspace says so', folder => fs.writeFileSync(path.join(folder, 'note.txt'), 'x'), async ({ page, ide, folder, person, id }) => {
    await page.locator('#theia-statusBar').getByText(/ of 190\.\d+ ?MB|of 200/i).waitFor();
    fs.writeFileSync(path.join(folder, 'large'), crypto.randomBytes(QUOTA_BYTES));
    // Counted now, and not when the pause is over.
    assert.ok((await person.call('GET', `workspaces/${id}/usage?fresh=true`)).bytes >= QUOTA_BYTES);
    await ide.openFromTree('note.txt');
    await ide.typeAtEnd(' and more'.repeat(2000));
    await page.keyboard.press('Control+s');
    await ide.message(/workspace\.quota/).waitFor();
});
