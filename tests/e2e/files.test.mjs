// Files as a person lives with them: the trash, large folders, uploads that are cut off, downloads, encodings, links, what is huge or full.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';

const QUOTA_BYTES = 100_000_000;
const MANY_FILES = 10_000;
/** Entries that the explorer shows of a folder at once. */
const AT_ONCE = 2000;
const HUGE_BYTES = 2 ** 31;
/** Most memory that the server may take more than before, while it sends a large part of such a file. */
const SENDING_BYTES = 48 * 2 ** 20;
/** Bytes a second of an upload that must last until it was looked at. */
const SLOW_LINE = 4_000_000;

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

/** A test in the IDE of a new person, who saves by hand; `fill` puts the first files into the workspace's folder. */
function inIde(name, fill, run) {
    test(name, async () => {
        const opened = await open(browser);
        try {
            const person = await Person.register(opened.context, stack.url, `files${++people}@example.org`);
            stack.writeSettings(person.id, { 'files.autoSave': 'off' });
            const id = await person.workspace('files');
            const folder = stack.filesOf(id);
            await fill(folder);
            await opened.page.goto(person.ideUrl(id));
            const ide = new Ide(opened.page);
            await ide.ready();
            await run({ ...opened, ide, person, folder, id });
            opened.faults.assertNone();
        } catch (error) {
            await picture(opened.page, `failed-files-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`).catch(() => undefined);
            throw error;
        } finally { await opened.context.close(); }
    });
}

/** What lies beside a workspace's files, such as what is uploaded. */
const beside = (folder, name) => fs.readdirSync(path.join(path.dirname(folder), name));
const trashOf = page => page.getByRole('list', { name: 'In the trash' });

async function remove(ide, folder, name) {
    await ide.treeTop();
    await ide.node(name).click();
    await ide.page.keyboard.press('Delete');
    await ide.dialog.getByText('Move File to Trash').waitFor();
    await ide.dialog.getByRole('button').last().click();
    await eventually(`${name} to be gone`, () => !fs.existsSync(path.join(folder, name)));
}

/** A folder beside the product, for what a person has on their own computer. */
async function withOwnFolder(run) {
    const own = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-own-'));
    try {
        await run(own);
    } finally { fs.rmSync(own, { recursive: true }); }
}

/** From now on, the page sends slowly. */
async function slowLine(page) {
    const session = await page.context().newCDPSession(page);
    await session.send('Network.enable');
    await session.send('Network.emulateNetworkConditions', { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: SLOW_LINE });
}

/** Drags files and folders of the person's computer to the explorer, as a mouse does. */
async function drop(page, ...files) {
    const session = await page.context().newCDPSession(page);
    const { x, y, width, height } = await page.locator('#files').boundingBox();
    const at = { x: x + width / 2, y: y + height / 2, data: { items: [], files, dragOperationsMask: 1 } };
    for (const type of ['dragEnter', 'dragOver', 'drop']) { await session.send('Input.dispatchDragEvent', { type, ...at }); }
}

const row = (page, text) => page.locator('.quick-input-list .monaco-list-row').filter({ hasText: text }).first();
const answer = page => page.locator('.quick-input-widget input[type=text]');

async function encoding(ide, action, name) {
    await ide.command('Change File Encoding');
    await row(ide.page, action).click();
    await answer(ide.page).fill(name);
    await row(ide.page, name).click();
}

inIde('what was deleted is had back from the trash, or gone for good', folder => {
    fs.mkdirSync(path.join(folder, 'src'));
    fs.writeFileSync(path.join(folder, 'src/kept.txt'), 'kept');
    fs.writeFileSync(path.join(folder, 'note.txt'), 'first');
}, async ({ page, ide, folder, person, id }) => {
    const deep = 'docs/of/several/parts/a name that is too long for the view.txt';
    fs.mkdirSync(path.join(folder, path.dirname(deep)), { recursive: true });
    fs.writeFileSync(path.join(folder, deep), 'deep');
    await person.call('DELETE', `workspaces/${id}/files/${encodeURI(deep)}?trash=true`);
    fs.rmSync(path.join(folder, 'docs'), { recursive: true });
    await remove(ide, folder, 'src');
    await ide.node('note.txt').click();
    await ide.editor('note.txt');
    await page.keyboard.press('Delete');
    await ide.answerDialog('OK');
    await eventually('the file that was looked at to be gone, and not its first letter', () => !fs.existsSync(path.join(folder, 'note.txt')));
    fs.writeFileSync(path.join(folder, 'note.txt'), 'second');
    await ide.command('Show the Trash');
    await trashOf(page).getByText('by files1@example.org').first().waitFor();
    await picture(page, 'files-trash');
    const rows = trashOf(page).locator('li');
    assert.equal(await rows.count(), 3);
    assert.match(await rows.filter({ hasText: 'note.txt' }).getAttribute('title'), /note\.txt\n.*KB\nDeleted .* by files1@example\.org$/);
    await rows.filter({ hasText: 'a name that' }).getByText('in docs/of/several/parts').waitFor();
    // Each fact on a line of its own, in the narrow view that it opens with.
    const heights = await rows.evaluateAll(all => all.map(({ offsetHeight }) => offsetHeight));
    const line = await rows.first().locator('small').last().evaluate(({ offsetHeight }) => offsetHeight);
    assert.ok(heights.every(height => height < line * 6), `rows of ${heights} pixels, lines of ${line}`);
    await page.getByRole('button', { name: 'Restore src' }).click();
    await eventually('the folder to be back', () => fs.existsSync(path.join(folder, 'src/kept.txt')));
    await page.getByRole('button', { name: 'Restore note.txt' }).click();
    await ide.dialog.getByText('“note.txt” is there again').waitFor();
    await picture(page, 'files-trash-conflict');
    await ide.dialog.getByRole('button', { name: 'Restore', exact: true }).click();
    await eventually('both versions', () => fs.existsSync(path.join(folder, 'note (restored).txt')));
    assert.equal(fs.readFileSync(path.join(folder, 'note.txt'), 'utf8'), 'second');
    assert.equal(fs.readFileSync(path.join(folder, 'note (restored).txt'), 'utf8'), 'first');
    await page.getByRole('button', { name: 'Delete a name that' }).click();
    await page.getByText('The trash is empty').waitFor();

    await remove(ide, folder, 'src');
    await remove(ide, folder, 'note.txt');
    await ide.command('Show the Trash');
    await page.getByRole('button', { name: 'Delete note.txt for good' }).click();
    await page.getByRole('button', { name: 'Restore note.txt' }).waitFor({ state: 'detached' });
    await page.getByRole('button', { name: /Empty the trash/ }).click();
    await ide.answerDialog('Empty');
    await page.getByText('The trash is empty').waitFor();
    await eventually('nothing of it to be left on the disk', () => beside(folder, 'trash').length === 0);
    assert.deepEqual(fs.readdirSync(folder), ['note (restored).txt']);
});

inIde('a folder of many entries is shown in parts', folder => {
    fs.mkdirSync(path.join(folder, 'many'));
    for (let number = 0; number < MANY_FILES; number++) { fs.writeFileSync(path.join(folder, 'many', `f${String(number).padStart(5, '0')}`), ''); }
}, async ({ page, ide }) => {
    await ide.treeTop();
    await ide.node('many').click();
    await ide.node('f00000').waitFor();
    const more = page.locator('#files .theia-TreeNode').filter({ hasText: 'Show more' });
    const last = number => ide.node(`f${String(number - 1).padStart(5, '0')}`);
    for (let shown = AT_ONCE; shown <= MANY_FILES; shown += AT_ONCE) {
        await eventually(`the last one of ${shown}`, async () => {
            await page.locator('#files').hover();
            await page.mouse.wheel(0, 1_000_000);
            // The row after it may be one that is out of sight still, and so not there.
            return await last(shown).count() > 0 && (shown === MANY_FILES || await more.count() > 0);
        });
        if (shown === MANY_FILES) { break; }
        assert.match(await more.innerText(), new RegExp(shown.toLocaleString('en')));
        if (shown === AT_ONCE) { await picture(page, 'files-many'); }
        await more.click();
    }
    assert.equal(await more.count(), 0);
});

inIde('a folder is dropped and uploaded, with what is empty in it', () => undefined, ({ page, ide, folder }) => withOwnFolder(async own => {
    const site = path.join(own, 'site');
    fs.mkdirSync(path.join(site, 'img/empty'), { recursive: true });
    const large = crypto.randomBytes(12_000_000);
    fs.writeFileSync(path.join(site, 'img/large.bin'), large);
    fs.writeFileSync(path.join(site, 'index.html'), '<h1>ä</h1>');
    fs.writeFileSync(path.join(site, '.hidden'), '');
    await slowLine(page);
    await drop(page, site);
    await ide.message(/2 of 3 files, \d+\.\d+MB of 11\.44MB/).waitFor();
    await picture(page, 'files-upload');
    await eventually('the folder to be there', () => fs.existsSync(path.join(folder, 'site/img/large.bin')) && fs.existsSync(path.join(folder, 'site/img/empty')));
    assert.ok(fs.readFileSync(path.join(folder, 'site/img/large.bin')).equals(large));
    assert.equal(fs.readFileSync(path.join(folder, 'site/index.html'), 'utf8'), '<h1>ä</h1>');
    assert.ok(fs.existsSync(path.join(folder, 'site/.hidden')));
    await ide.message(/files, /).waitFor({ state: 'detached' });

    // Once more: asked about what is there, and cancelled in the middle of the large one.
    fs.writeFileSync(path.join(site, 'index.html'), 'changed');
    fs.writeFileSync(path.join(site, 'img/large.bin'), crypto.randomBytes(40_000_000));
    await drop(page, site);
    await ide.dialog.getByText(/is there already/).waitFor();
    await picture(page, 'files-upload-conflict');
    await ide.dialog.getByRole('button', { name: 'Replace all' }).click();
    await ide.message(/2 of 3 files, \d\d?\.\d+MB of 38\.15MB/).getByText('Cancel').click();
    await ide.message(/files, /).waitFor({ state: 'detached' });
    await eventually('nothing to be left of it', () => beside(folder, 'uploads').every(name => fs.statSync(path.join(path.dirname(folder), 'uploads', name)).size < 10_000));
    assert.ok(fs.readFileSync(path.join(folder, 'site/img/large.bin')).equals(large), 'what was there stays');
    assert.equal(fs.readFileSync(path.join(folder, 'site/index.html'), 'utf8'), 'changed');
}));

inIde('an upload goes on after the server was killed', () => undefined, ({ page, ide, folder, faults }) => withOwnFolder(async own => {
    const source = path.join(own, 'large.bin');
    fs.writeFileSync(source, crypto.randomBytes(24_000_000));
    const parts = [];
    page.on('request', request => {
        if (request.method() === 'PATCH') { parts.push(Number(/bytes (\d+)-/.exec(request.headers()['content-range'])?.[1])); }
    });
    await slowLine(page);
    const choosing = page.waitForEvent('filechooser');
    await ide.command('Upload Files');
    await (await choosing).setFiles(source);
    // Some of it has arrived.
    await ide.message(/0 of 1 files, [1-9]\d*\.\d+MB of/).waitFor();
    faults.outage = true;
    const before = parts.length;
    await stack.killAndRestart();
    const target = path.join(folder, 'large.bin');
    await eventually('the file to be there', () => fs.existsSync(target), 120_000);
    assert.ok(fs.readFileSync(target).equals(fs.readFileSync(source)));
    assert.ok(parts.length > before && parts.slice(1).every(first => first > 0), `it begins anew: ${parts}`);
    await page.locator('#theia-statusBar').getByText('Online').waitFor();
}));

inIde('a folder is downloaded as zip or tar', folder => {
    fs.mkdirSync(path.join(folder, 'docs/deep'), { recursive: true });
    fs.writeFileSync(path.join(folder, 'docs/deep/a.txt'), 'alpha');
    fs.writeFileSync(path.join(folder, 'docs/run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    fs.symlinkSync('deep/a.txt', path.join(folder, 'docs/link'));
}, ({ page, ide }) => withOwnFolder(async own => {
    await ide.treeTop();
    await ide.node('docs').click();
    const download = async command => {
        const downloading = page.waitForEvent('download');
        await ide.command(command);
        const done = await downloading;
        await done.saveAs(path.join(own, done.suggestedFilename()));
        return done.suggestedFilename();
    };
    const bytes = fs.readFileSync(path.join(own, await download('File: Download')));
    assert.ok(bytes.subarray(0, 2).equals(Buffer.from('PK')) && bytes.includes('docs/deep/a.txt'));
    assert.equal(await download('Download as tar'), 'docs.tar');
    execFileSync('tar', ['-xf', 'docs.tar'], { cwd: own });
    assert.equal(fs.readFileSync(path.join(own, 'docs/deep/a.txt'), 'utf8'), 'alpha');
    assert.equal(fs.statSync(path.join(own, 'docs/run.sh')).mode & 0o777, 0o755);
    assert.equal(fs.readlinkSync(path.join(own, 'docs/link')), 'deep/a.txt');
}));

inIde('encodings and line ends are kept or changed, and what is no text is asked about', folder => {
    fs.writeFileSync(path.join(folder, 'old.txt'), Buffer.from('gr\xfc\xdfe\r\nzwei\r\n', 'latin1'));
    fs.writeFileSync(path.join(folder, 'wide.txt'), Buffer.from('\ufeffweiß\n', 'utf16le'));
    fs.writeFileSync(path.join(folder, 'binary.dat'), Buffer.from([0, 1, 2, 0, 255, 0, 7]));
}, async ({ page, ide, folder }) => {
    const read = name => fs.readFileSync(path.join(folder, name));
    await ide.openFromTree('old.txt');
    await page.locator('#theia-statusBar').getByText('CRLF').waitFor();
    await encoding(ide, 'Reopen with Encoding', 'Western (ISO 8859-1)');
    await eventually('the umlauts', async () => (await ide.editorText()).startsWith('grüße'));
    await ide.typeAtEnd('drei');
    await ide.save();
    assert.ok(read('old.txt').equals(Buffer.from('gr\xfc\xdfe\r\nzwei\r\ndrei', 'latin1')));
    await encoding(ide, 'Save with Encoding', 'UTF-8');
    await eventually('the other encoding', () => read('old.txt').toString() === 'grüße\r\nzwei\r\ndrei');
    await ide.command('Change End of Line Sequence');
    await row(page, 'LF').click();
    await ide.save();
    assert.equal(read('old.txt').toString(), 'grüße\nzwei\ndrei');
    await picture(page, 'files-encoding');

    await ide.openFromTree('wide.txt');
    await eventually('what it says', async () => (await ide.editorText()).startsWith('weiß'));
    await page.locator('#theia-statusBar').getByText('UTF-16 LE').waitFor();
    await ide.typeAtEnd('schwarz');
    await ide.save();
    assert.ok(read('wide.txt').equals(Buffer.from('\ufeffweiß\nschwarz', 'utf16le')));

    await ide.tryFromTree('binary.dat');
    await ide.dialog.getByText(/The file is either binary/).waitFor();
    await ide.escape();
});

inIde('permissions are shown, changed and heeded', folder => {
    fs.writeFileSync(path.join(folder, 'run.sh'), 'echo\n', { mode: 0o644 });
    fs.writeFileSync(path.join(folder, 'locked.txt'), 'locked\n', { mode: 0o444 });
}, async ({ page, ide, folder }) => {
    const mode = name => fs.statSync(path.join(folder, name)).mode & 0o777;
    const ask = async (name, now) => {
        await ide.treeTop();
        await ide.node(name).click();
        await ide.editor(name);
        await ide.command('Set Permissions');
        await eventually('what it has now', async () => await answer(page).inputValue() === now);
    };
    await ask('run.sh', 'rw-r--r--');
    await answer(page).fill('rwxr');
    await page.getByText(/Three octal digits, such as 644/).waitFor();
    await picture(page, 'files-permissions');
    await answer(page).fill('755');
    await page.keyboard.press('Enter');
    await eventually('the new ones', () => mode('run.sh') === 0o755);

    await ide.openFromTree('locked.txt');
    await page.keyboard.type('typed');
    await ide.settled();
    assert.equal(await ide.isDirty(), false);
    await ask('locked.txt', 'r--r--r--');
    await answer(page).fill('rw-r--r--');
    await page.keyboard.press('Enter');
    await eventually('the new ones', () => mode('locked.txt') === 0o644);
    await eventually('the open editor to take what is typed', async () => {
        await ide.typeAtEnd('x');
        return ide.isDirty();
    });
    await ide.save();
    assert.match(fs.readFileSync(path.join(folder, 'locked.txt'), 'utf8'), /^locked\nx+$/);
});

inIde('links are shown as such and never followed out', folder => {
    const outside = path.join(stack.dir, 'outside');
    fs.mkdirSync(outside, { recursive: true });
    fs.writeFileSync(path.join(outside, 'secret.txt'), 'secret of the server');
    fs.writeFileSync(path.join(folder, 'target.txt'), 'inner\n');
    for (const [name, to] of Object.entries({ inside: 'target.txt', outfile: path.join(outside, 'secret.txt'), outfolder: outside, broken: 'nowhere' })) {
        fs.symlinkSync(to, path.join(folder, name));
    }
}, async ({ page, ide, folder, person, id, faults }) => {
    await ide.treeTop();
    for (const name of ['inside', 'outfile', 'outfolder', 'broken']) { await ide.node(name).getByText('⤷').waitFor(); }
    await ide.openFromTree('inside');
    await ide.typeAtEnd('more');
    await ide.save();
    assert.equal(fs.readFileSync(path.join(folder, 'target.txt'), 'utf8'), 'inner\nmore');
    assert.ok(fs.lstatSync(path.join(folder, 'inside')).isSymbolicLink());
    faults.expect(refused(403));
    for (const name of ['outfile', 'outfolder']) {
        await ide.clearMessages();
        await ide.tryFromTree(name);
        await ide.message(/leads outside the workspace/).waitFor();
    }
    await picture(page, 'files-links');
    for (const route of ['outfile', 'outfolder/secret.txt']) {
        const got = await person.ask('GET', `workspaces/${id}/files/${route}`);
        assert.deepEqual([got.status(), (await got.json()).code], [403, 'files.outside'], route);
    }
    await remove(ide, folder, 'broken');
    assert.doesNotMatch(await page.content(), /secret of the server/);
});

inIde('a file that a terminal changes meanwhile is compared, kept or overwritten', folder => fs.writeFileSync(path.join(folder, 'note.txt'), 'common\n'), async ({ page, ide, folder }) => {
    const read = () => fs.readFileSync(path.join(folder, 'note.txt'), 'utf8');
    await ide.openFromTree('note.txt');
    await ide.newTerminal();
    await ide.run('echo first > note.txt');
    await eventually('an editor without changes to follow', async () => (await ide.editorText()).trim() === 'first');
    await ide.typeAtEnd('mine');
    await ide.run('echo theirs > note.txt');
    await eventually('the change', () => read() === 'theirs\n');
    await page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
    await page.keyboard.press('Control+s');
    await ide.dialog.getByText(/note\.txt/).first().waitFor();
    await picture(page, 'files-conflict');
    await ide.answerDialog('Keep mine');
    assert.deepEqual([read(), await ide.isDirty(), await ide.editorText()], ['theirs\n', true, 'first\nmine']);
    await page.keyboard.press('Control+s');
    await ide.answerDialog('Compare');
    const diff = page.locator('#theia-main-content-panel .monaco-diff-editor:visible');
    await diff.locator('.view-line').filter({ hasText: 'theirs' }).first().waitFor();
    await diff.locator('.view-line').filter({ hasText: 'mine' }).first().waitFor();
    await picture(page, 'files-compare');
    await ide.openFromTree('note.txt');
    await page.keyboard.press('Control+s');
    await ide.answerDialog('Overwrite');
    await eventually('the version of the editor', () => read() === 'first\nmine');
});

/** Reads an answer to its end, keeping nothing of it; answers its length and its last bytes. */
function drain(url, headers) {
    return new Promise((resolve, reject) => {
        http.get(url, { headers, agent: false }, answer => {
            let bytes = 0, end = Buffer.alloc(0);
            answer.on('data', chunk => {
                bytes += chunk.length;
                end = Buffer.concat([end, chunk]).subarray(-7);
            });
            answer.on('error', reject);
            answer.on('end', () => resolve({ status: answer.statusCode, bytes, end: end.toString() }));
        }).on('error', reject);
    });
}

/** Memory of the server in bytes: now, or the most since it was last asked to be forgotten. */
const memory = name => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(fs.readFileSync(`/proc/${stack.server.pid}/status`, 'utf8'))[1]) * 1024;

inIde('a file of 2 GB is sent without being loaded', folder => {
    const file = fs.openSync(path.join(folder, 'huge.bin'), 'w');
    fs.writeSync(file, 'the end', HUGE_BYTES - 7);
    fs.closeSync(file);
}, async ({ page, ide, id, person, context }) => {
    await ide.tryFromTree('huge.bin');
    await ide.message(/“huge\.bin” has 2\.00GB; the editor opens files up to .* Download it/).waitFor();
    await picture(page, 'files-huge');
    const url = `${stack.url}api/v5/workspaces/${id}/files/huge.bin`;
    const headers = { cookie: (await context.cookies(stack.url)).map(({ name, value }) => `${name}=${value}`).join('; ') };
    assert.deepEqual(await drain(url, { ...headers, range: 'bytes=-7' }), { status: 206, bytes: 7, end: 'the end' });
    const before = memory('VmRSS');
    fs.writeFileSync(`/proc/${stack.server.pid}/clear_refs`, '5');
    const part = HUGE_BYTES / 4;
    assert.deepEqual(await drain(url, { ...headers, range: `bytes=${HUGE_BYTES - part}-` }), { status: 206, bytes: part, end: 'the end' });
    const taken = memory('VmHWM') - before;
    assert.ok(taken < SENDING_BYTES, `the server took ${taken} bytes more`);
    assert.ok((await person.call('GET', `workspaces/${id}/usage?fresh=true`)).bytes < QUOTA_BYTES, 'holes take nothing');
    await ide.treeTop();
    await ide.node('huge.bin').click();
    const downloading = page.waitForEvent('download');
    await ide.command('File: Download');
    const download = await downloading;
    assert.equal(download.suggestedFilename(), 'huge.bin');
    await download.cancel();
});

inIde('a full workspace says so, and how room is made', folder => {
    fs.writeFileSync(path.join(folder, 'note.txt'), 'x');
}, async ({ page, ide, folder, person, id }) => {
    const usage = page.locator('#theia-statusBar [aria-label^="Disk: "]');
    await usage.getByText(/KB of 95\.37MB/).waitFor();
    fs.writeFileSync(path.join(folder, 'large'), Buffer.alloc(QUOTA_BYTES, 1));
    // Counted now, and not when the pause is over.
    assert.ok((await person.call('GET', `workspaces/${id}/usage?fresh=true`)).bytes >= QUOTA_BYTES);
    await usage.getByText(/95\.\d+MB of 95\.37MB/).waitFor();
    await ide.openFromTree('note.txt');
    await page.keyboard.press('Control+End');
    await page.keyboard.insertText(' and more'.repeat(2000));
    await page.keyboard.press('Control+s');
    const full = ide.message(/takes 95\.\d MiB of the 95\.3 MiB that it may, 1\d KiB more do not fit, .* delete what is not needed, then empty its trash.*workspace\.quota/);
    await full.waitFor();
    await picture(page, 'files-full');
    assert.ok(await ide.isDirty());
    assert.equal(fs.readFileSync(path.join(folder, 'note.txt'), 'utf8'), 'x');
    await remove(ide, folder, 'large');
    await full.getByText('Show the trash').click();
    await page.getByRole('button', { name: /Empty the trash \(95\.\d+MB\)/ }).click();
    await ide.answerDialog('Empty');
    await page.getByText('The trash is empty').waitFor();
    await page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
    await eventually('room again', async () => {
        await page.keyboard.press('Control+s');
        await ide.settled();
        return !await ide.isDirty();
    });
    assert.equal(fs.statSync(path.join(folder, 'note.txt')).size, 1 + 9 * 2000);
});
