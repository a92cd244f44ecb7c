// Search, replacement, the picker and the watcher, as a person at the IDE has them, on a repository of this project's own sources.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync, spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, open, picture } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { skipWithout } from './harness/requirements.mjs';
import { SearchView } from './harness/search.mjs';
import { Stack, commit } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** The project's own sources that make up the repository. */
const SOURCES = ['protocol/src', 'server/workspace/src', 'wasm/src', 'docs', 'README.md', 'ARCHITECTURE.md'];
const noRg = spawnSync('rg', ['--version']).error ? 'rg is not there' : false;
const LONG_LINE = `${'x'.repeat(30_000)} needle_in_hay ${'y'.repeat(30_000)}`;
/** Of a file in which searching takes long. */
const SLOW_BYTES = 18_000_000;
const LINE_BYTES = 800;
/** What is made for these tests, besides. */
const EXTRA = {
    '.gitignore': 'ignored/\n*.secret\n',
    'ignored/hidden.txt': 'quokka ignored\n',
    'deep/key.secret': 'quokka secret\n',
    'deep/shown.txt': 'quokka shown\n',
    'case/words.txt': 'wombat Wombat WOMBAT wombats\nthe wombat_count\n',
    'case/lines.txt': 'begin {\n    middle\n} end\nbegin {\n    other\n} end\n',
    'case/around.txt': 'one\ntwo\nthree\nbilby here\nfive\nsix\nseven\nbilby again\nnine\nten\n',
    'case/crlf.txt': 'first echidna\r\nsecond echidna\r\n',
    'case/umlauts.txt': 'Größe: numbat 🦘 numbat\n',
    'case/long.txt': `${LONG_LINE}\n`,
    'calls/a.ts': "set('alpha', 1);\nset('beta', 2);\n",
    'calls/b.ts': "set('gamma', 3); set('delta', 4);\n",
    'unwatched/caged.txt': 'in the cage\n',
    'yard/free.txt': 'in the yard\n',
    'calls/c.ts': "set('epsilon', 5);\n"
};

let browser, stack, opened, person, ide, view, id, folder;

before(async () => {
    stack = await Stack.start({ upstreams: [] });
    browser = await launch();
    opened = await open(browser);
    person = await Person.register(opened.context, stack.url, 'ada@example.org');
    stack.writeSettings(person.id, { 'files.autoSave': 'off', 'files.watcherExclude': { '**/unwatched/**': true }, 'search.collapseResults': 'alwaysExpand' });
    id = await person.workspace('sources');
    folder = stack.filesOf(id);
    for (const source of SOURCES) { fs.cpSync(path.join(root, source), path.join(folder, source), { recursive: true }); }
    for (const [name, text] of Object.entries(EXTRA)) { write(name, text); }
    execFileSync('git', ['init', '-q', '-b', 'main'], { cwd: folder });
    commit(folder, 'everything');
    await opened.page.goto(person.ideUrl(id));
    ide = new Ide(opened.page);
    view = new SearchView(ide);
    await ide.ready();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

/** Lines of random small letters. */
function letters(bytes) {
    const text = crypto.randomBytes(bytes).map(byte => 97 + byte % 26);
    for (let at = LINE_BYTES; at < bytes; at += LINE_BYTES) { text[at] = 10; }
    return text;
}
function write(name, text) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
}
const read = name => fs.readFileSync(path.join(folder, name), 'utf8');

const checked = steps('search', () => [opened]);
const step = (name, run, options) => checked(name, () => run(opened.page), options);

/** What `rg` finds in the same folder: each match with its place in UTF-16 code units. */
function rg(pattern, ...flags) {
    const args = ['--no-config', '--json', '--hidden', '--glob', '!.git', '--crlf', '--max-filesize', '20M', ...flags, '--regexp', pattern, '.'];
    // It ends with 1 where it finds nothing.
    const { stdout, stderr, status } = spawnSync('rg', args, { cwd: folder, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
    assert.ok(status <= 1, stderr);
    const lines = stdout.split('\n').filter(Boolean).map(line => JSON.parse(line)).filter(({ type }) => type === 'match');
    return lines.flatMap(({ data: { path: { text: file }, lines: { text }, line_number, submatches } }) => submatches.map(({ start, end }) => {
        const bytes = Buffer.from(text);
        const head = bytes.subarray(0, start).toString();
        const breaks = head.split('\n').length - 1;
        const column = head.length - (head.lastIndexOf('\n') + 1) + 1;
        return `${file.replace(/^\.\//, '')}:${line_number + breaks}:${column}+${bytes.subarray(start, end).toString().length}`;
    })).sort();
}

step('what the view finds is what rg finds, whatever the options', async () => {
    const same = async (query, options, ...flags) => {
        const found = await view.search(query, options);
        const expected = rg(query, ...flags);
        assert.ok(expected.length > 0 && expected.length < 2000, `${query}: ${expected.length} matches`);
        assert.deepEqual(found, expected, `${query} ${JSON.stringify(options)}`);
    };
    await same('pub fn ', {}, '--fixed-strings', '--ignore-case');
    await same('Workspace', { matchCase: true }, '--fixed-strings');
    await same('wombat', { wholeWord: true }, '--fixed-strings', '--ignore-case', '--word-regexp');
    await same('wombat', { matchCase: true, wholeWord: true }, '--fixed-strings', '--word-regexp');
    await same(String.raw`fn \w+_(files?|text)\b`, { regex: true }, '--ignore-case');
    await same(String.raw`^use .*;$`, { regex: true, matchCase: true, include: 'search/*.rs' }, '--glob', '**/search/*.rs', '--glob', '!.git');
    await same('Result', { matchCase: true, include: 'server, wasm', exclude: '*tests.rs, **/search' }, '--fixed-strings',
        '--glob', '**/server/**', '--glob', '**/wasm/**', '--glob', '!**/*tests.rs', '--glob', '!**/search/**');
    await same('numbat', {}, '--fixed-strings', '--ignore-case');
    await same('echidna', {}, '--fixed-strings', '--ignore-case');
    await same('needle_in_hay', {}, '--fixed-strings', '--ignore-case');
    await same(String.raw`begin \{\n\s+\w+\n\} end`, { regex: true }, '--multiline', '--ignore-case');
    await picture(opened.page, 'search-multiline');
    // What git ignores is left out, unless it is asked for.
    await same('quokka', {}, '--fixed-strings', '--ignore-case');
    assert.deepEqual((await view.search('quokka', {})).map(found => found.split(':')[0]), ['deep/shown.txt']);
    await same('quokka', { ignored: true }, '--fixed-strings', '--ignore-case', '--no-ignore');
}, { skip: skipWithout('rg', noRg) });

step('a pattern that is none says why', async page => {
    assert.deepEqual(await view.search('wom(bat', { regex: true }), []);
    await page.locator('.search-info').getByText(/search\.pattern|unclosed group/).waitFor();
    await picture(page, 'search-invalid');
});

step('Enter searches at once, for what the field holds', async () => {
    await view.search('wombat', {});
    const asked = await view.tree(tree => {
        const field = document.querySelector('#search-input-field');
        Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set.call(field, 'bilby');
        field.dispatchEvent(new InputEvent('input', { bubbles: true }));
        field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', code: 'Enter', bubbles: true }));
        return tree.searchTerm;
    });
    assert.equal(asked, 'bilby');
    await view.idle();
    assert.equal(await view.tree(tree => tree.resultTree.size > 0), true);
});

step('the view keeps what is in its field, also what was typed while it opened', async page => {
    await view.search('bilby', {});
    const field = page.locator('#search-input-field');
    for (const typed of [undefined, 'echidna']) {
        await page.keyboard.press('Control+Shift+e');
        await field.waitFor({ state: 'hidden' });
        await page.keyboard.press('Control+Shift+f');
        await field.waitFor();
        if (typed) { await view.fill('#search-input-field', typed); }
        await eventually('the view to be opened', () => field.evaluate(field => document.activeElement === field));
        await view.isAbout(typed ?? 'bilby');
        await view.idle();
        assert.equal(await field.inputValue(), typed ?? 'bilby');
        assert.equal(await view.tree(tree => tree.resultTree.size > 0), true);
    }
});

step('lines around a match are shown', async page => {
    await view.search('bilby', { context: true });
    const shown = page.locator('#search-in-workspace .coditect-search-context');
    await shown.nth(1).waitFor();
    const rows = await shown.allInnerTexts();
    assert.deepEqual(rows.map(row => row.split('\n').map(line => line.trim()).filter(Boolean)),
        [['two', 'three', 'bilby here', 'five', 'six'], ['seven', 'bilby again', 'nine', 'ten']]);
    await picture(page, 'search-context');
});

step('the first matches are shown while the search goes on, and cancel ends it', async page => {
    write('slow/before.txt', letters(SLOW_BYTES));
    write('slow/first.txt', 'kowari\n');
    try {
        // What may follow depends on each of the last hundred letters, which no table of states can hold: minutes of work.
        await view.begin('kowari|[a-m][a-z]{100}[A-Z]', { regex: true, matchCase: true, include: 'slow' });
        await view.row('first.txt').waitFor();
        await page.locator('#search-in-workspace .theia-progress-bar-container .theia-progress-bar').waitFor({ state: 'visible' });
        await picture(page, 'search-streamed');
        await ide.command('Search: Cancel Search');
        await page.locator('#search-in-workspace .theia-progress-bar').waitFor({ state: 'hidden' });
        assert.equal(await view.row('first.txt').count(), 1, 'what was found stays');
    } finally { fs.rmSync(path.join(folder, 'slow'), { recursive: true }); }
});

step('one match is replaced, with its group and in its case', async () => {
    await view.search('wombat', { include: 'case/words.txt', replace: 'bandicoot', preserveCase: true });
    await view.replaceMatch(1);
    await eventually('the match to be replaced', () => read('case/words.txt').startsWith('wombat Bandicoot WOMBAT wombats\n'));
    await view.replaceMatch(3);
    await eventually('the other', () => read('case/words.txt') === 'wombat Bandicoot WOMBAT wombats\nthe bandicoot_count\n');
    // The ones behind it in the same line are where they are by now.
    await view.replaceMatch(1);
    await eventually('the one behind', () => read('case/words.txt') === 'wombat Bandicoot BANDICOOT wombats\nthe bandicoot_count\n');
    await view.search(String.raw`set\('(\w+)', (\d)\)`, { regex: true, include: 'calls/c.ts', replace: "put($2, '$1')" });
    await view.replaceMatch(0);
    await eventually('the groups', () => read('calls/c.ts') === "put(5, 'epsilon');\n");
});

step('a file is replaced as its preview showed it', async page => {
    await view.search(String.raw`set\('(\w+)', (\d)\)`, { regex: true, include: 'calls/*.ts', replace: "put($2, '$1')" });
    await view.match(1).click();
    const modified = page.locator('.monaco-diff-editor .editor.modified .view-lines');
    await eventually('the preview', async () => /put\(2,\s'beta'\)/.test((await modified.innerText()).replaceAll('\u00a0', ' ')));
    await picture(page, 'search-preview');
    assert.equal(read('calls/a.ts'), EXTRA['calls/a.ts'], 'a preview writes nothing');
    await view.replaceFile('a.ts');
    await eventually('the file to be replaced', () => read('calls/a.ts') === "put(1, 'alpha');\nput(2, 'beta');\n");
    assert.equal(read('calls/b.ts'), EXTRA['calls/b.ts']);
});

step('a file that has changed since is left as it is', async () => {
    await view.search('gamma', { include: 'calls/b.ts', replace: 'omega' });
    const changed = `// gamma, too\n${EXTRA['calls/b.ts']}`;
    write('calls/b.ts', changed);
    await view.replaceFile('b.ts');
    await ide.message(/files\.changed/).waitFor();
    await picture(opened.page, 'search-changed-since');
    assert.equal(read('calls/b.ts'), changed);
    await ide.clearMessages();
});

step('all files are replaced, once the person has said so', async page => {
    write('all/one.txt', 'Numbat numbat\n');
    write('all/two/two.txt', 'NUMBAT\r\nno\r\n');
    write('all/kept.md', 'numbat\n');
    await view.search('numbat', { include: 'all/**/*.txt', replace: 'quoll', preserveCase: true });
    await page.locator('.replace-all-button-container [title="Replace All"]').click();
    await ide.dialog.getByText(/Replace 3 occurrences across 2 files with 'quoll'\?/).waitFor();
    assert.equal(read('all/one.txt'), 'Numbat numbat\n');
    await ide.answerDialog('OK');
    await eventually('both files', () => read('all/one.txt') === 'Quoll quoll\n' && read('all/two/two.txt') === 'QUOLL\r\nno\r\n');
    assert.equal(read('all/kept.md'), 'numbat\n');
});

const picked = page => page.locator('.quick-input-list .monaco-list-row .label-name').allInnerTexts();

/** Types into the picker, until it shows what is right. */
async function pick(page, text, what, isRight) {
    // A terminal keeps the key for itself.
    await ide.treeTop();
    await page.keyboard.press('Control+p');
    const input = page.locator('.quick-input-widget input[type=text]');
    await input.waitFor({ state: 'visible' });
    let shown;
    try {
        // The list is asked anew with each key, as a person would who looks for something that was made just now.
        await eventually(what, async () => {
            await input.fill('');
            await input.fill(text);
            return eventually(what, async () => isRight(shown = await picked(page)), 1000);
        });
    } catch (error) { throw new Error(`${error.message}; the list shows ${JSON.stringify(shown)}`); }
    await page.keyboard.press('Escape');
    await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
}

step('the picker ranks what people mean first, and follows what a terminal does', async page => {
    await pick(page, 'wsrank', 'the file whose path has the letters', shown => shown[0] === 'rank.rs');
    await pick(page, 'search/mod', 'the one in that folder', shown => shown[0] === 'mod.rs');
    await pick(page, 'pattern.rs', 'the name itself', shown => shown[0] === 'pattern.rs');
    await pick(page, 'hidden.txt', 'nothing that is ignored', shown => !shown.includes('hidden.txt'));
    await ide.newTerminal();
    await ide.run('mkdir -p fresh/folder && echo hello > fresh/folder/kultarr_made.txt && echo made=$?');
    await ide.terminalText(/^made=0$/m);
    await pick(page, 'kultarrmade', 'the new file', shown => shown[0] === 'kultarr_made.txt');
    await ide.run('rm fresh/folder/kultarr_made.txt; echo gone=$?');
    await ide.terminalText(/^gone=0$/m);
    await pick(page, 'kultarrmade', 'no file', shown => !shown.includes('kultarr_made.txt'));
});

step('what is renamed in the terminal is renamed in the explorer', async page => {
    await ide.treeTop();
    await ide.node('fresh').click();
    await ide.node('folder').waitFor();
    await ide.run('clear; echo text > fresh/before.txt; echo made=$?');
    await ide.terminalText(/^made=0$/m);
    await ide.node('before.txt').waitFor();
    await ide.run('mv fresh/before.txt fresh/after.txt; mv fresh/folder fresh/moved; echo moved=$?');
    await ide.terminalText(/^moved=0$/m);
    await ide.node('after.txt').waitFor();
    await ide.node('moved').waitFor();
    await ide.node('before.txt').waitFor({ state: 'detached' });
    assert.equal(await ide.node('folder').count(), 0);
    await picture(page, 'watch-renamed');
});

step('what `files.watcherExclude` names is not followed', async () => {
    await ide.treeTop();
    for (const [name, first] of [['unwatched', 'caged.txt'], ['yard', 'free.txt']]) {
        await ide.node(name).click();
        await ide.node(first).waitFor();
    }
    write('unwatched/late.txt', 'x');
    // Comes after it on the same way.
    write('yard/followed.txt', 'x');
    await ide.node('followed.txt').waitFor();
    assert.equal(await ide.node('late.txt').count(), 0);
});

test('folders beyond the limit are looked at, and everybody is told', async () => {
    const own = await Stack.start({ upstreams: [], flags: ['--watch-max-folders', '3'] });
    const other = await open(browser);
    try {
        const bob = await Person.register(other.context, own.url, 'bob@example.org');
        const workspace = await bob.workspace('many');
        const files = own.filesOf(workspace);
        for (let number = 0; number < 8; number++) { fs.mkdirSync(path.join(files, `folder${number}`)); }
        const health = async () => (await fetch(`${own.direct}health`)).json();
        assert.deepEqual((await health()).warnings.filter(warning => warning.includes('watch_max_folders')), []);
        await other.page.goto(bob.ideUrl(workspace));
        const theirs = new Ide(other.page);
        await theirs.ready();
        await other.page.locator('#theia-statusBar').getByText('Changes show late').waitFor();
        await picture(other.page, 'watch-late');
        const [warning] = (await health()).warnings.filter(text => text.includes('watch_max_folders'));
        assert.match(warning, /looked at every few seconds instead of being watched, because they have more than the 3 folders/);
        // Whichever folders were left over: a change in each of them shows.
        for (let number = 0; number < 8; number++) {
            await theirs.node(`folder${number}`).click();
            await theirs.node(`folder${number}`).locator('.theia-ExpansionToggle:not(.theia-mod-collapsed)').waitFor();
        }
        for (let number = 0; number < 8; number++) { fs.writeFileSync(path.join(files, `folder${number}`, `late${number}.txt`), 'x'); }
        for (let number = 0; number < 8; number++) { await theirs.node(`late${number}.txt`).waitFor(); }
        other.faults.assertNone();
    } catch (error) {
        await picture(other.page, 'failed-search-limit').catch(() => undefined);
        throw error;
    } finally {
        await other.context.close();
        await own.stop();
    }
});
