// Git in the IDE on a repository with a history: changes and their lines, commits, the graph, blame, branches, and all ways to bring them together.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { launch, open, picture } from './harness/browser.mjs';
import { COMMITS, FILES, lines, makeHistory } from './harness/history.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { SourceControl } from './harness/source-control.mjs';
import { Stack, git, trackedFiles } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

let browser, stack, page, faults, ide, scm, files;

before(async () => {
    stack = await Stack.start();
    browser = await launch();
    const opened = await open(browser, { permissions: ['clipboard-read', 'clipboard-write'] });
    ({ page, faults } = opened);
    ide = new Ide(page);
    scm = new SourceControl(ide);
    const person = await Person.register(opened.context, stack.url, 'ada@example.org');
    stack.writeSettings(person.id, { 'files.autoSave': 'off' });
    const origin = path.join(stack.imports, 'project.git');
    makeHistory(origin);
    const { id } = await person.call('POST', 'workspaces', { name: 'project', source: { type: 'git', url: origin } });
    await eventually('the clone', async () => (await person.call('GET', `workspaces/${id}`)).state.type === 'ready');
    files = stack.filesOf(id);
    assert.equal(trackedFiles(files).length, FILES + 4);
    introduce();
    await page.goto(person.ideUrl(id));
    await ide.ready();
    await scm.open();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

/** Each begins with the main branch as it was cloned, nothing changed and no file open. */
const step = steps('git', () => [{ page, faults, ide }], { always: () => restart() });

const here = (...args) => git(files, ...args);
const write = (name, text) => fs.writeFileSync(path.join(files, name), text);
const read = name => fs.readFileSync(path.join(files, name), 'utf8');
const log = (...args) => here('log', '-1', ...args).trim();
const CLEAN = { Changes: [] };

/** Who commits, for this repository only. */
function introduce() {
    here('config', 'user.name', 'Ada Lovelace');
    here('config', 'user.email', 'ada@example.org');
}

async function restart() {
    for (const command of ['rebase', 'merge', 'cherry-pick', 'revert']) {
        try {
            here(command, '--abort');
        } catch { /* There was none. */ }
    }
    here('checkout', '-q', '-f', '-B', 'main', 'origin/main');
    here('clean', '-q', '-f', '-d');
    here('stash', 'clear');
    introduce();
    for (const branch of here('branch', '--format=%(refname:short)').trim().split('\n').filter(branch => branch !== 'main')) { here('branch', '-q', '-D', branch); }
    await ide.escape();
    await ide.clearMessages();
    await closeAll();
    await scm.open();
    await scm.message.fill('');
    await scm.run('Refresh');
    await scm.shows(CLEAN);
    await scm.branch('main');
}

async function closeAll() {
    const tabs = page.locator('#theia-main-content-panel .lm-TabBar-tab');
    await eventually('all editors to be closed', async () => {
        if (await tabs.count() === 0) { return true; }
        await ide.command('Close All Tabs in Main Area');
        const dialog = ide.dialog.getByRole('button', { name: "Don't save" });
        await Promise.race([dialog.click({ timeout: 2000 }), tabs.first().waitFor({ state: 'detached', timeout: 2000 })]).catch(() => undefined);
    });
}

/** Puts the cursor into a line of the editor in front, and selects up to another one. */
async function select(first, last = first, editor = page.locator('#theia-main-content-panel .monaco-editor:visible').last()) {
    await editor.locator('.view-lines').click();
    await page.keyboard.press('Control+g');
    const input = page.locator('.quick-input-widget input[type=text]');
    await input.waitFor({ state: 'visible' });
    await input.fill(`:${first}`);
    await page.keyboard.press('Enter');
    await page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
    for (let line = first; line < last; line++) { await page.keyboard.press('Shift+ArrowDown'); }
    if (last > first) { await page.keyboard.press('Shift+End'); }
}

step('what changed is shown in the view, in the tree and in the status bar', async () => {
    await scm.branch('main');
    write('lines.txt', lines({ 5: 'line five', 20: 'line 20 of main' }));
    write('new.txt', 'new\n');
    fs.rmSync(path.join(files, 'README.md'));
    here('mv', 'docs/notes.txt', 'docs/remarks.txt');
    await scm.shows({ 'Staged Changes': ['R remarks.txt'], Changes: ['M lines.txt', 'D README.md'], Untracked: ['U new.txt'] });
    await scm.branch('main*+');
    await picture(page, 'git-changes');
    await ide.treeTop();
    await eventually('the sign in the tree', async () => /M/.test(await ide.node('lines.txt').innerText()));
    await picture(page, 'git-tree');
    await scm.open();
    await scm.openChanges('Staged Changes', 'remarks.txt');
    await closeAll();
    await scm.openChanges('Changes', 'README.md');
});

step('files are staged, unstaged and discarded', async () => {
    write('lines.txt', lines({ 5: 'line five', 20: 'line 20 of main' }));
    write('feature.txt', 'changed\n');
    write('new.txt', 'new\n');
    await scm.shows({ Changes: ['M lines.txt', 'M feature.txt'], Untracked: ['U new.txt'] });
    await scm.act('Changes', 'lines.txt', 'Stage Changes');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: ['M feature.txt'], Untracked: ['U new.txt'] });
    await scm.run('Stage All Changes');
    await scm.shows({ 'Staged Changes': ['M lines.txt', 'M feature.txt', 'A new.txt'], Changes: [] });
    await scm.act('Staged Changes', 'feature.txt', 'Unstage Changes');
    await scm.shows({ 'Staged Changes': ['M lines.txt', 'A new.txt'], Changes: ['M feature.txt'] });
    await scm.act('Changes', 'feature.txt', 'Discard Changes…');
    await picture(page, 'git-discard');
    await ide.answerDialog('Discard');
    await scm.shows({ 'Staged Changes': ['M lines.txt', 'A new.txt'], Changes: [] });
    assert.equal(read('feature.txt'), 'a feature\nfinished\n');
    await scm.run('Unstage All Changes');
    await scm.shows({ Changes: ['M lines.txt'], Untracked: ['U new.txt'] });
});

step('single lines are staged and unstaged in the comparison, and a change beside the gutter', async () => {
    write('lines.txt', lines({ 5: 'line five', 6: 'line six', 20: 'line 20 of main', 30: 'line thirty' }));
    await scm.shows({ Changes: ['M lines.txt'] });
    await scm.openChanges('Changes', 'lines.txt');
    await select(5, 5, scm.diffEditor.locator('.editor.modified'));
    await picture(page, 'git-comparison');
    await scm.run('Stage Selected Lines');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: ['M lines.txt'] });
    assert.equal(here('show', ':lines.txt'), lines({ 5: 'line five', 20: 'line 20 of main' }));
    await closeAll();
    await scm.openChanges('Staged Changes', 'lines.txt');
    await select(5, 5, scm.diffEditor.locator('.editor.modified'));
    await scm.run('Unstage Selected Lines');
    await scm.shows({ Changes: ['M lines.txt'] });
    await closeAll();

    await ide.quickOpen('lines.txt', 'lines.txt');
    await eventually('the gutter', async () => await page.locator('.dirty-diff-glyph').count() >= 2);
    await select(30);
    // Farther to the right a click folds lines.
    const glyph = await page.locator('.dirty-diff-glyph').last().boundingBox();
    await page.mouse.click(glyph.x + 1, glyph.y + glyph.height / 2);
    const peek = page.locator('.peekview-widget');
    await peek.getByText('line thirty').waitFor();
    await picture(page, 'git-gutter');
    await peek.locator('[aria-label^="Stage Change"], [title^="Stage Change"]').first().click();
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: ['M lines.txt'] });
    assert.equal(here('show', ':lines.txt'), lines({ 20: 'line 20 of main', 30: 'line thirty' }));
    await page.keyboard.press('Escape');
    await select(5, 6);
    await scm.run('Discard Selected Lines…');
    await ide.answerDialog('Discard');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: [] });
    assert.equal(read('lines.txt'), lines({ 20: 'line 20 of main', 30: 'line thirty' }));
});

step('the first commit asks who commits; it is amended, signed off and undone', async () => {
    here('config', '--remove-section', 'user');
    write('new.txt', 'new\n');
    await scm.shows({ ...CLEAN, Untracked: ['U new.txt'] });
    await scm.act('Untracked', 'new.txt', 'Stage Changes');
    await scm.shows({ ...CLEAN, 'Staged Changes': ['A new.txt'] });
    await scm.commit('Add something new');
    await scm.answer('Who commits?', 'Ada Lovelace');
    await picture(page, 'git-identity');
    await scm.answer('Who commits?', 'ada@example.org');
    await scm.shows(CLEAN);
    assert.equal(log('--format=%an <%ae> %cn %s'), 'Ada Lovelace <ada@example.org> Ada Lovelace Add something new');
    assert.equal(await scm.message.inputValue(), '');
    await scm.message.fill('Add something newer');
    await scm.run('Commit (Amend)');
    await eventually('the new message', () => log('--format=%s') === 'Add something newer');
    assert.equal(here('rev-list', '--count', 'origin/main..main').trim(), '1');
    write('new.txt', 'newer\n');
    await scm.shows({ Changes: ['M new.txt'] });
    await scm.message.fill('Renew it');
    await scm.run('Commit (Sign Off)');
    await ide.dialog.getByText('Nothing is staged').first().waitFor();
    await picture(page, 'git-nothing-staged');
    await ide.answerDialog('Commit All Tracked Changes');
    await scm.shows(CLEAN);
    assert.match(log('--format=%B'), /^Renew it\n\nSigned-off-by: Ada Lovelace <ada@example.org>$/);
    await scm.run('Undo Last Commit');
    await scm.shows({ ...CLEAN, 'Staged Changes': ['M new.txt'] });
    await eventually('the message to be back', async () => (await scm.message.inputValue()).startsWith('Renew it'));
});

step('the history with its graph, the details of a commit, a search, and a file’s history', async () => {
    await scm.run('Show History');
    const rows = page.locator('.scm-history-graph-row');
    const row = subject => rows.filter({ has: page.locator('.scm-history-subject').getByText(subject, { exact: true }) }).first();
    await row("Merge branch 'feature'").waitFor();
    await row('Change line 20').locator('.scm-history-ref-badge').getByText('main').waitFor();
    await row("Merge branch 'feature'").click();
    const change = page.locator('.scm-history-change-row').filter({ hasText: 'feature.txt' });
    await change.waitFor();
    await picture(page, 'git-graph');
    await change.click();
    // There was no such file before.
    await eventually('the new file', async () => await ide.editorText() === 'a feature\nfinished\n');
    await closeAll();
    await row('Change line 20').click();
    await page.locator('.scm-history-change-row').filter({ hasText: 'lines.txt' }).click();
    await scm.diffEditor.getByText('line 20 of main').waitFor();
    await picture(page, 'git-commit');
    await scm.run('Search History…');
    await scm.answer('Search the history', 'Change 17');
    await row('Change 17').waitFor();
    await row('Change 170').waitFor();
    await eventually('only what was looked for', async () => await rows.count() === 13);
    await picture(page, 'git-history-search');
    await scm.run('Show Whole History of the Branch');
    await row("Merge branch 'feature'").waitFor();
    await ide.quickOpen('notes.txt', 'notes.txt');
    await scm.run('Show History of This File or Folder');
    await row('Rename the notes').waitFor();
    await eventually('only its own', async () => await rows.count() <= 2);
    await scm.run('Show Whole History of the Branch');
    await row('Change line 20').waitFor();
    await scm.run('Search History…');
    await scm.answer('Search the history', 'Change 299');
    await row(`Change ${COMMITS - 1}`).waitFor();
    await scm.run('Show Whole History of the Branch');
    await row("Merge branch 'feature'").waitFor();
});

step('who changed a line, at the cursor and beside all lines', async () => {
    await ide.quickOpen('lines.txt', 'lines.txt');
    await select(20);
    const shown = async () => (await page.locator('.coditect-blame-line').allTextContents()).join('').replaceAll('\u00a0', ' ');
    await eventually('the commit of the line', async () => /Grace Hopper, .* • Change line 20/.test(await shown()));
    await picture(page, 'git-blame-line');
    await select(3);
    await eventually('that of another line', async () => /Ada Lovelace, .* • Begin/.test(await shown()));
    await scm.run('Show or Hide Who Changed Each Line');
    await eventually('all lines', async () => await page.locator('.coditect-blame-column').count() >= 20);
    await picture(page, 'git-blame');
    await scm.run('Show or Hide Who Changed Each Line');
    await eventually('them to be gone', async () => await page.locator('.coditect-blame-column').count() === 0);
    await select(20);
    await scm.run('Show Commit of This Line');
    await scm.pick('Changes of', 'lines.txt');
    await scm.diffEditor.getByText('line 20 of main').waitFor();
});

step('branches are created, renamed, switched to and deleted, with changes in the way', async () => {
    await scm.run('Create Branch…');
    await scm.answer('Create a branch', 'topic');
    await scm.branch('topic');
    write('lines.txt', lines({ 20: 'line 20 of topic' }));
    await scm.shows({ Changes: ['M lines.txt'] });
    await scm.run('Commit All Tracked Changes');
    await scm.answer('Commit', 'Change it in topic');
    await scm.shows(CLEAN);
    await scm.run('Rename Branch…');
    await scm.answer('Rename topic', 'topics');
    await scm.branch('topics');
    write('lines.txt', lines({ 20: 'line 20 of topic', 21: 'not committed' }));
    await scm.shows({ Changes: ['M lines.txt'] });
    await scm.run('Switch to Branch or Tag…');
    await picture(page, 'git-switch');
    await scm.pick('Switch to', 'main');
    await ide.message(/would overwrite lines\.txt/).getByText('Stash and Switch').click();
    await scm.branch('main!');
    await picture(page, 'git-switched');
    here('checkout', '-q', '-f', 'main');
    await scm.shows(CLEAN);
    await scm.run('Delete Branch…');
    await scm.pick('Delete which branch?', 'topics');
    await ide.dialog.getByText(/Commits of .topics. are on no other branch/).waitFor();
    await ide.answerDialog('Delete');
    await eventually('the branch to be gone', () => !here('branch').includes('topics'));
    await scm.run('Switch to Branch or Tag…');
    await scm.pick('Switch to', 'origin/conflicting');
    await scm.branch('conflicting');
    assert.equal(here('rev-parse', '--abbrev-ref', 'conflicting@{upstream}').trim(), 'origin/conflicting');
});

/** Begins the merge that ends in a conflict. */
async function mergeConflicting() {
    await scm.run('Merge Branch…');
    await scm.pick('Merge what?', 'origin/conflicting');
    await scm.pick('Merge origin/conflicting how?', 'Merge');
    await scm.shows({ 'Merge Changes': ['! lines.txt'], Changes: [] });
    await scm.branch('main! MERGING');
}

step('a merge with a conflict is solved in the text, and aborted', async () => {
    await mergeConflicting();
    await ide.message(/One file has conflicts/).waitFor();
    await ide.quickOpen('lines.txt', 'lines.txt');
    await page.locator('.codelens-decoration').getByText('Accept Incoming Change').waitFor();
    await picture(page, 'git-conflict');
    await scm.run('Abort…');
    await ide.answerDialog('Abort');
    await scm.shows(CLEAN);
    await eventually('the text as before', async () => (await ide.editorText()).includes('line 20 of main') && !(await ide.editorText()).includes('<<<<'));
    await mergeConflicting();
    await page.locator('.codelens-decoration').getByText('Accept Incoming Change').click();
    await eventually('the other side', async () => (await ide.editorText()).includes('line 20 of the other side') && !(await ide.editorText()).includes('<<<<'));
    await ide.save();
    await scm.act('Merge Changes', 'lines.txt', 'Mark as Solved');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: [] });
    assert.match(await scm.message.inputValue(), /^Merge remote-tracking branch 'origin\/conflicting'/);
    await scm.message.press('Control+Enter');
    await scm.shows(CLEAN);
    assert.equal(log('--format=%P').split(' ').length, 2);
    assert.equal(read('lines.txt'), lines({ 20: 'line 20 of the other side' }));
});

step('a merge with a conflict is solved in the merge editor', async () => {
    await mergeConflicting();
    await (await scm.row('Merge Changes', 'lines.txt')).click();
    const editor = page.locator('.theia-merge-editor');
    await editor.getByText('line 20 of the other side').first().waitFor();
    await editor.getByText('line 20 of main').first().waitFor();
    await editor.getByText('origin/conflicting', { exact: true }).waitFor();
    await picture(page, 'git-merge-editor');
    await editor.getByText('Accept Incoming', { exact: true }).first().click();
    await editor.getByText('0 Conflicts Remaining').waitFor();
    await picture(page, 'git-merge-editor-solved');
    await ide.command('Complete Merge');
    await eventually('the result', () => read('lines.txt') === lines({ 20: 'line 20 of the other side' }));
    await scm.act('Merge Changes', 'lines.txt', 'Mark as Solved');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: [] });
    await scm.message.press('Control+Enter');
    await scm.shows(CLEAN);
    assert.equal(log('--format=%P').split(' ').length, 2);
});

/** Begins the rebase that stops at its first commit. */
async function rebaseSeries() {
    await scm.run('Switch to Branch or Tag…');
    await scm.pick('Switch to', 'origin/series');
    await scm.branch('series');
    await scm.run('Rebase Onto…');
    await scm.pick('Rebase onto what?', 'main');
    await scm.shows({ 'Merge Changes': ['! lines.txt'], Changes: [] });
}

step('a rebase is continued, skips a commit, and is aborted', async () => {
    await rebaseSeries();
    await picture(page, 'git-rebase');
    await ide.clearMessages();
    await scm.run('Abort…');
    await ide.answerDialog('Abort');
    await scm.branch('series');
    await scm.shows(CLEAN);
    await scm.run('Rebase Onto…');
    await scm.pick('Rebase onto what?', 'main');
    await scm.shows({ 'Merge Changes': ['! lines.txt'], Changes: [] });
    await scm.run('Skip Commit');
    await ide.answerDialog('Skip');
    await scm.branch('series');
    assert.equal(here('log', '--format=%s', 'main..series').trim(), 'Third of the series\nSecond of the series');
    here('reset', '-q', '--hard', 'origin/series');
    await ide.clearMessages();
    await scm.run('Rebase Onto…');
    await scm.pick('Rebase onto what?', 'main');
    await scm.shows({ 'Merge Changes': ['! lines.txt'], Changes: [] });
    write('lines.txt', lines({ 20: 'line 20 of both' }));
    await scm.act('Merge Changes', 'lines.txt', 'Mark as Solved');
    await scm.shows({ 'Staged Changes': ['M lines.txt'], Changes: [] });
    await page.locator('#scm-view-container').getByRole('button', { name: 'Continue' }).click();
    await scm.branch('series');
    assert.equal(here('log', '--format=%s', 'main..series').trim(), 'Third of the series\nSecond of the series\nFirst of the series');
});

step('a commit is picked from the graph’s menu, and taken back', async () => {
    await scm.run('Show History of All Branches');
    const row = page.locator('.scm-history-graph-row').filter({ hasText: 'Third of the series' }).first();
    await row.click({ button: 'right' });
    const menu = page.locator('.lm-Menu');
    await menu.getByText('Cherry-Pick Commit').waitFor();
    await picture(page, 'git-commit-menu');
    await menu.getByText('Cherry-Pick Commit').click();
    await eventually('the commit', () => log('--format=%s') === 'Third of the series');
    assert.equal(read('third.txt'), 'third\n');
    await scm.run('Revert Commit');
    await scm.pick('Take back which commit?', 'Third of the series');
    await eventually('its opposite', () => log('--format=%s') === 'Revert "Third of the series"');
    await scm.run('Show Whole History of the Branch');
    await page.locator('.scm-history-graph-row').filter({ hasText: 'Revert "Third' }).waitFor();
});

step('changes are put aside and come back; tags are set and removed', async () => {
    write('lines.txt', lines({ 5: 'line five', 20: 'line 20 of main' }));
    write('new.txt', 'new\n');
    await scm.shows({ Changes: ['M lines.txt'], Untracked: ['U new.txt'] });
    await scm.run('Stash (With Untracked Files)…');
    await scm.answer('Stash', 'half done');
    await scm.shows(CLEAN);
    await scm.run('Pop Stash…');
    await scm.pick('Pop which stash?', 'half done');
    await scm.shows({ Changes: ['M lines.txt'], Untracked: ['U new.txt'] });
    assert.equal(here('stash', 'list'), '');
    await scm.run('Create Tag…');
    await scm.answer('Create a tag', 'v2');
    await scm.answer('Create a tag', 'The second');
    await eventually('the tag', () => here('tag', '-n').includes('v2              The second'));
    await scm.run('Delete Tag…');
    await scm.pick('Delete which tag?', 'v2');
    await ide.answerDialog('Delete');
    await eventually('no tag', () => !here('tag').includes('v2'));
});
