// Git in the IDE with remotes that want a login, with a repository that means harm, and with two people in one workspace.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { launch, open, picture } from './harness/browser.mjs';
import { GitServer, outerAddress } from './harness/git-server.mjs';
import { makeHistory } from './harness/history.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { skipWithout } from './harness/requirements.mjs';
import { SourceControl } from './harness/source-control.mjs';
import { Stack, commit, git } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

const SECRET = 'wombat-token-4711';
const CLEAN = { Changes: [] };
const address = outerAddress();
const skip = skipWithout('network', address === undefined && 'this machine has no address but its loopback');

let browser, stack, server, moved, hosted, ada, bob;

before(async () => {
    if (skip) { return; }
    hosted = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-e2e-hosted-'));
    makeHistory(path.join(hosted, 'project.git'));
    server = await GitServer.startSecure(hosted, `ada:${SECRET}`, address);
    moved = await GitServer.startRedirecting(server);
    // As an operator does for git hosts in the own network.
    stack = await Stack.start({ flags: ['--sandbox-network-allow', `${server.host},${moved.host}`] });
    browser = await launch();
    ada = await somebody('ada@example.org', 'Ada Lovelace');
    bob = await somebody('bob@example.org', 'Bob Builder');
    // Bob is asked for his.
    fs.writeFileSync(path.join(ada.home, '.gitconfig'), '[user]\n\tname = Ada Lovelace\n\temail = ada@example.org\n');
});
after(async () => {
    await browser?.close();
    await Promise.all([stack?.stop(), server?.stop(), moved?.stop()]);
    if (hosted) { fs.rmSync(hosted, { recursive: true, force: true }); }
});

async function somebody(email, name) {
    const opened = await open(browser);
    const person = await Person.register(opened.context, stack.url, email);
    stack.writeSettings(person.id, { 'files.autoSave': 'off' });
    const ide = new Ide(opened.page);
    return { ...opened, person, email, name, ide, scm: new SourceControl(ide), home: path.join(stack.data, 'homes', person.id) };
}

const step = steps('git-remote', () => [ada, bob].map(({ page, faults }) => ({ page, faults })), {
    skip,
    // What the page told may be gone from the picture.
    failed: async () => console.error(await ada.page.locator('.theia-notification-center .theia-notification-list-item').allTextContents()),
});

/** Opens a new workspace of a person, and answers where its files are. */
async function opens({ person, page, ide, scm }, name) {
    const id = await person.workspace(name);
    await page.goto(person.ideUrl(id));
    await ide.ready();
    await scm.open();
    return { id, files: stack.filesOf(id) };
}

/** Whether a text is in any file below a folder. */
function isAnywhere(dir, text) {
    return fs.readdirSync(dir, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
        .some(entry => fs.readFileSync(path.join(entry.parentPath, entry.name)).includes(text));
}

const there = (...args) => git(path.join(hosted, 'project.git'), ...args).trim();

/** Somebody else pushes a commit. */
function elsewhere(name, text) {
    const clone = path.join(hosted, 'elsewhere');
    if (!fs.existsSync(clone)) { git(hosted, 'clone', '-q', 'project.git', clone); }
    git(clone, 'pull', '-q');
    fs.writeFileSync(path.join(clone, name), text);
    commit(clone, `Elsewhere: ${name}`);
    git(clone, 'push', '-q');
}

let project;

step('a clone into the workspace: an unknown certificate, a login that is refused and one that is taken', async () => {
    const { page, ide, scm, home } = ada;
    const { files } = await opens(ada, 'remote');
    project = path.join(files, 'project');
    await page.getByText('No folder of this workspace is a git repository.').waitFor();
    await picture(page, 'git-none');
    const url = server.url('project.git');
    const clone = async () => {
        await scm.run('Clone Into the Workspace…');
        await scm.answer('Clone into the workspace', url);
        await page.locator('.quick-input-message').getByText('The folder to make for it').waitFor();
        await page.keyboard.press('Enter');
    };
    await clone();
    await ide.message(/The remote cannot be reached: .*certificate/).waitFor();
    await picture(page, 'git-certificate');
    await eventually('nothing of it', () => !fs.existsSync(project));
    fs.copyFileSync(server.certificate, path.join(home, 'host.pem'));
    await ide.newTerminal();
    await ide.run(`git config --global http.https://${server.host}/.sslCAInfo '~/host.pem'`);
    await eventually('the certificate to be trusted', () => fs.readFileSync(path.join(home, '.gitconfig'), 'utf8').includes('host.pem'));
    await ide.clearMessages();
    await scm.open();
    await clone();
    await scm.answer(`Log in to ${server.host}`, 'ada');
    await picture(page, 'git-login');
    await scm.answer(`Log in to ${server.host}`, 'wombat-wrong');
    await page.locator('.quick-input-message').getByText(`${server.host} refused the login`).waitFor();
    await picture(page, 'git-login-refused');
    await scm.answer(`Log in to ${server.host}`, 'ada');
    await page.locator('.quick-input-message').getByText('A token or the password of ada').waitFor();
    await scm.answer(`Log in to ${server.host}`, SECRET);
    await eventually('the files', () => fs.existsSync(path.join(project, 'README.md')));
    await page.locator('#theia-statusBar .codicon-sync').waitFor();
    await scm.shows(CLEAN);
    await scm.branch('main');
    assert.equal(git(project, 'rev-parse', 'main').trim(), there('rev-parse', 'main'));
    const [login, ...others] = await ada.person.call('GET', 'git/credentials');
    assert.deepEqual([login.host, login.username, others.length], [server.host, 'ada', 0]);
    assert.doesNotMatch(JSON.stringify(login), /wombat/);
    assert.deepEqual([isAnywhere(stack.data, 'wombat-token'), isAnywhere(stack.data, 'wombat-wrong')], [false, false], 'kept unencrypted');
    assert.doesNotMatch(stack.server.log(), /wombat/);
});

step('a push asks nothing any more, and what others pushed is pulled', async () => {
    const { page, ide, scm } = ada;
    fs.writeFileSync(path.join(project, 'mine.txt'), 'mine\n');
    await scm.shows({ ...CLEAN, Untracked: ['U mine.txt'] });
    await scm.act('Untracked', 'mine.txt', 'Stage Changes');
    await scm.shows({ ...CLEAN, 'Staged Changes': ['A mine.txt'] });
    await scm.message.fill('Mine');
    await scm.run('Commit and Push');
    await eventually('the commit to be there', () => there('log', '-1', '--format=%s', 'main') === 'Mine');
    await scm.shows(CLEAN);
    elsewhere('theirs.txt', 'theirs\n');
    await scm.run('Fetch');
    const sync = page.locator('#theia-statusBar .element').filter({ has: page.locator('.codicon-sync') });
    await sync.getByText('1↓').waitFor();
    await picture(page, 'git-behind');
    await scm.run('Pull');
    await eventually('their file', () => fs.existsSync(path.join(project, 'theirs.txt')));
    elsewhere('more.txt', 'more\n');
    fs.writeFileSync(path.join(project, 'mine.txt'), 'mine again\n');
    await scm.shows({ Changes: ['M mine.txt'] });
    await scm.message.fill('Mine again');
    await scm.run('Commit All Tracked Changes');
    await scm.shows(CLEAN);
    await scm.run('Push');
    await ide.message(/The remote has commits that you do not have/).getByText('Pull and Push').click();
    await eventually('both there', () => there('log', '-1', '--format=%s', 'main').startsWith('Merge'));
    assert.equal(there('show', 'main:more.txt'), 'more');
    assert.equal(there('show', 'main:mine.txt'), 'mine again');
    await scm.run('Create Branch…');
    await scm.answer('Create a branch', 'topic');
    await scm.branch('topic');
    await scm.run('Publish Branch…');
    await eventually('the branch there', () => there('branch').includes('topic'));
    await sync.waitFor();
    await scm.run('Create Tag…');
    await scm.answer('Create a tag', 'v3');
    await scm.answer('Create a tag', '');
    await scm.run('Push With Tags');
    await eventually('the tag there', () => there('tag').includes('v3'));
});

step('what takes long shows its progress, and can be cancelled', async () => {
    const { page, ide, scm } = ada;
    elsewhere('late.txt', 'late\n');
    const before = git(project, 'rev-parse', 'origin/main');
    const go = server.hold();
    try {
        await ide.clearMessages();
        await scm.run('Fetch');
        const progress = page.locator('.theia-notification-toasts .theia-notification-list-item').filter({ hasText: 'Fetching' });
        await progress.waitFor();
        await picture(page, 'git-progress');
        await progress.getByText('Cancel').click();
        await progress.waitFor({ state: 'detached' });
        // The turn is free for the next one, so nothing runs on.
        await scm.run('Fetch');
        await progress.waitFor();
    } finally { go(); }
    await eventually('the second fetch', () => git(project, 'rev-parse', 'origin/main') !== before);
});

step('a login that is forgotten is asked for again', async () => {
    const { page, scm } = ada;
    await scm.run('Forget a Login…');
    await picture(page, 'git-forget');
    await scm.pick('Forget which login?', `ada at ${server.host}`);
    await eventually('no login', async () => (await ada.person.call('GET', 'git/credentials')).length === 0);
    await scm.run('Push');
    await page.locator('.quick-input-title').getByText(`Log in to ${server.host}`).waitFor();
    await page.keyboard.press('Escape');
    await eventually('no question', async () => !await page.locator('.quick-input-widget').isVisible());
    await ada.ide.settled();
    assert.equal((await ada.person.call('GET', 'git/credentials')).length, 0);
});

step('a site that sends git to another one is told from it: no login goes there, and nobody is asked for one', async () => {
    const { page, ide, scm, home } = ada;
    git(project, 'config', '-f', path.join(home, '.gitconfig'), `http.https://${moved.host}/.sslCAInfo`, '~/host.pem');
    git(project, 'remote', 'set-url', 'origin', moved.url('project.git'));
    await ide.clearMessages();
    await scm.run('Fetch');
    const told = ide.message(/git\.redirected/);
    await told.waitFor();
    assert.ok((await told.textContent()).includes(`${moved.host} redirects to ${server.host}, which wants a login`));
    await picture(page, 'git-redirected');
    assert.equal(await page.locator('.quick-input-widget').isVisible(), false);
    git(project, 'remote', 'set-url', 'origin', server.url('project.git'));
});

/** Everything in a repository's own configuration that makes git run a program. */
function hostile(dir, outside) {
    fs.mkdirSync(dir);
    fs.writeFileSync(path.join(dir, 'file.txt'), 'one\ntwo\nthree\n');
    commit(dir, 'A harmless commit');
    fs.writeFileSync(path.join(dir, 'file.txt'), 'one\n2\nthree\n');
    commit(dir, 'Another one');
    fs.writeFileSync(path.join(dir, '.gitattributes'), '* filter=evil diff=evil merge=evil\n');
    fs.writeFileSync(path.join(dir, 'file.txt'), 'one\n2\n3\n');
    const traps = {
        'core.fsmonitor': 'fsmonitor', 'core.pager': 'pager', 'core.editor': 'editor', 'core.sshCommand': 'ssh', 'core.askPass': 'askpass',
        'core.gitProxy': 'proxy', 'core.alternateRefsCommand': 'alternates', 'diff.external': 'external', 'diff.evil.command': 'command',
        'diff.evil.textconv': 'textconv', 'filter.evil.clean': 'clean', 'filter.evil.smudge': 'smudge', 'filter.evil.process': 'process',
        'merge.evil.driver': 'driver', 'gpg.program': 'gpg', 'credential.helper': '!credential', 'interactive.diffFilter': 'interactive',
        'alias.status': '!alias', 'alias.log': '!alias', 'alias.diff': '!alias', 'alias.blame': '!alias', 'alias.show': '!alias',
        'uploadpack.packObjectsHook': 'pack', 'sequence.editor': 'sequence',
    };
    for (const [key, name] of Object.entries(traps)) {
        const mark = `ran-${name.replace('!', '')}`;
        // What filters gets its input; what is only asked would take the message of a commit.
        const rest = name === 'fsmonitor' ? '' : '; cat';
        git(dir, 'config', key, `${name.startsWith('!') ? '!' : ''}sh -c 'touch "$HOME/${mark}" ${outside}/${mark}${rest}' -`);
    }
    git(dir, 'config', 'log.showSignature', 'true');
    const hooks = path.join(dir, '.git/hooks');
    const hook = (name, script) => fs.writeFileSync(path.join(hooks, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    for (const name of ['post-checkout', 'post-index-change', 'reference-transaction', 'fsmonitor-watchman', 'post-merge', 'pre-auto-gc']) {
        hook(name, `touch "$HOME/ran-${name}" ${outside}/ran-${name}; true`);
    }
    // Tells from within what it sees of the server's own files.
    hook('pre-commit', `touch ${outside}/ran-pre-commit; { id -u; cat ${stack.data}/run/supervisor.json; } > "$HOME/hooked" 2>&1; true`);
}

step('to look at a repository that means harm runs nothing of it, and a hook runs in the sandbox only', async () => {
    const { page, ide, scm, home } = ada;
    const outside = path.join(stack.dir, 'outside');
    fs.mkdirSync(outside);
    const { files } = await opens(ada, 'hostile');
    const dir = path.join(files, 'evil');
    hostile(path.join(stack.dir, 'evil'), outside);
    fs.cpSync(path.join(stack.dir, 'evil'), dir, { recursive: true });
    for (const mark of fs.readdirSync(home).filter(name => name.startsWith('ran-'))) { fs.rmSync(path.join(home, mark)); }
    fs.rmSync(outside, { recursive: true });
    fs.mkdirSync(outside);
    const ran = () => [home, outside].flatMap(where => fs.readdirSync(where).filter(name => name.startsWith('ran-')));

    await scm.shows({ Changes: ['M file.txt'], Untracked: ['U .gitattributes'] });
    await scm.openChanges('Changes', 'file.txt');
    await scm.run('Show History');
    await page.locator('.scm-history-graph-row').filter({ hasText: 'Another one' }).click();
    await page.locator('.scm-history-change-row').filter({ hasText: 'file.txt' }).click();
    await page.locator('#theia-main-content-panel .lm-TabBar-tab').nth(1).waitFor();
    await ide.quickOpen('file.txt', 'file.txt');
    await page.locator('.dirty-diff-glyph').first().waitFor();
    await scm.run('Show or Hide Who Changed Each Line');
    await page.locator('.coditect-blame-column').first().waitFor();
    await picture(page, 'git-hostile');
    assert.deepEqual(ran(), []);

    await scm.open();
    await scm.message.fill('With hooks');
    await scm.run('Commit All Tracked Changes');
    await eventually('the commit', () => git(dir, '-c', 'core.fsmonitor=', '-c', 'alias.log=', 'rev-list', '--count', 'HEAD').trim() === '3');
    const hooked = fs.readFileSync(path.join(home, 'hooked'), 'utf8');
    assert.match(hooked, /supervisor\.json: (No such file|Permission denied)/);
    assert.deepEqual(fs.readdirSync(outside), [], 'it ran outside of the sandbox');
});

step('two people in one repository commit with their own names, and who may only read changes nothing', async () => {
    const { id, files } = await opens(ada, 'ours');
    fs.writeFileSync(path.join(files, 'plan.txt'), 'one\n');
    commit(files, 'Begin');
    await ada.person.call('POST', `workspaces/${id}/members`, { login: 'bob@example.org', role: 'write' });
    await bob.page.goto(bob.person.ideUrl(id));
    await bob.ide.ready();
    await bob.scm.open();
    for (const each of [ada, bob]) { await each.scm.branch('main'); }
    const log = () => git(files, 'log', '-1', '--format=%s by %an <%ae>').trim();

    fs.writeFileSync(path.join(files, 'plan.txt'), 'of ada\n');
    for (const each of [ada, bob]) { await each.scm.shows({ Changes: ['M plan.txt'] }); }
    await ada.scm.message.fill('Hers');
    await ada.scm.run('Commit All Tracked Changes');
    await eventually('her commit', () => log() === 'Hers by Ada Lovelace <ada@example.org>');
    for (const each of [ada, bob]) { await each.scm.shows(CLEAN); }

    fs.writeFileSync(path.join(files, 'plan.txt'), 'of bob\n');
    await bob.scm.shows({ Changes: ['M plan.txt'] });
    await bob.scm.message.fill('His');
    await bob.scm.run('Commit All Tracked Changes');
    await bob.scm.answer('Who commits?', bob.name);
    await bob.scm.answer('Who commits?', bob.email);
    await eventually('his commit', () => log() === 'His by Bob Builder <bob@example.org>');
    await ada.scm.shows(CLEAN);

    await ada.person.call('PATCH', `workspaces/${id}/members/${bob.person.id}`, { role: 'read' });
    await bob.page.locator('#theia-statusBar [aria-label="You may only look at this workspace"]').waitFor();
    fs.writeFileSync(path.join(files, 'plan.txt'), 'again\n');
    await bob.scm.shows({ Changes: ['M plan.txt'] });
    await bob.scm.openChanges('Changes', 'plan.txt');
    await bob.scm.act('Changes', 'plan.txt', 'Stage Changes');
    await bob.ide.message(/workspace\.read_only/).waitFor();
    await picture(bob.page, 'git-read-only');
    await bob.scm.shows({ Changes: ['M plan.txt'] });
    assert.equal(git(files, 'diff', '--cached', '--name-only'), '');
    await bob.scm.run('Show History');
    await bob.page.locator('.scm-history-graph-row').filter({ hasText: 'Hers' }).waitFor();
});
