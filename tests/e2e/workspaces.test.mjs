// Workspaces made on the dashboard of what a person brings, an archive or the address of a repository, and opened in the IDE.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { launch, open, picture } from './harness/browser.mjs';
import { GitServer } from './harness/git-server.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { Stack, commit, git } from './harness/stack.mjs';

const SECRET = 'wombat-token-4711';
const README = '# Brought along\n\nThe text of the readme.\n';
const SCRIPT = '#!/bin/sh\necho it runs\n';

let browser, stack, project, server, locked;

before(async () => {
    // Both must be allowed for a repository on this machine, as an operator does for a git host in the own network.
    stack = await Stack.start({ flags: ['--import-http', 'true', '--import-private-hosts', 'true'] });
    browser = await launch();
    project = path.join(stack.dir, 'project');
    fs.mkdirSync(path.join(project, 'src/deep'), { recursive: true });
    fs.writeFileSync(path.join(project, 'README.md'), README);
    fs.writeFileSync(path.join(project, 'src/deep/größe 1.txt'), 'mit Umlaut\n');
    fs.writeFileSync(path.join(project, 'run.sh'), SCRIPT, { mode: 0o755 });
    commit(project, 'brought along');
    const hosted = path.join(stack.dir, 'hosted');
    fs.mkdirSync(hosted);
    git(stack.dir, 'clone', '-q', '--bare', project, path.join(hosted, 'project.git'));
    server = await GitServer.start(hosted);
    locked = await GitServer.start(hosted, `ada:${SECRET}`);
});
after(async () => {
    await browser?.close();
    await Promise.all([stack?.stop(), server?.stop(), locked?.stop()]);
});

let people = 0;

/** A test of a new person on the dashboard, after which nothing may have gone wrong unseen. */
function onDashboard(name, go) {
    test(name, async () => {
        const opened = await open(browser);
        try {
            const person = await Person.register(opened.context, stack.url, `person${++people}@example.org`);
            await opened.page.goto(`${stack.url}dashboard`);
            await go({ ...opened, person });
            opened.faults.assertNone();
        } catch (error) {
            await picture(opened.page, `failed-${name.replaceAll(/\W+/g, '-').slice(0, 60)}`).catch(() => undefined);
            throw error;
        } finally { await opened.context.close(); }
    });
}

/** Opens the dialogue for a new workspace. */
async function newWorkspace(page, way) {
    await page.getByRole('button', { name: 'New workspace' }).click();
    await page.getByRole('tab', { name: way }).click();
}

/** Opens the workspace in the IDE: all files of the project must be there, on the screen and on the disk. */
async function opensWithItsFiles(page, name) {
    const link = page.getByRole('link', { name: `Open ${name}`, exact: true });
    await link.waitFor();
    await link.click();
    const ide = new Ide(page);
    await ide.ready();
    await ide.openFromTree('README.md');
    assert.match(await ide.editorText(), /The text of the readme\./);
    await ide.quickOpen('größe', 'größe 1.txt');
    assert.match(await ide.editorText(), /mit Umlaut/);
    const files = stack.filesOf(new URL(page.url()).searchParams.get('workspace'));
    assert.equal(fs.readFileSync(path.join(files, 'README.md'), 'utf8'), README);
    await ide.newTerminal();
    await ide.run('./run.sh');
    await ide.terminalText(/^it runs$/m);
    return { ide, files };
}

for (const [format, ending] of [['tar.gz', '.tar.gz'], ['zip', '.zip']]) {
    onDashboard(`an archive in the form ${format}`, async ({ page, person }) => {
        const file = path.join(stack.dir, `brought${ending}`);
        git(project, 'archive', `--format=${format}`, '-o', file, 'HEAD');
        await newWorkspace(page, 'Upload archive');
        await page.locator('input[type=file]').setInputFiles(file);
        await page.getByRole('button', { name: 'Create workspace' }).click();
        const { files } = await opensWithItsFiles(page, 'brought');
        assert.deepEqual(fs.readdirSync(files).sort(), ['README.md', 'run.sh', 'src']);
        const [{ source }] = await person.call('GET', 'workspaces');
        assert.deepEqual(source, { type: 'archive', file_name: `brought${ending}` });
    });
}

onDashboard('a repository by its address', async ({ page, person }) => {
    const url = server.url('project.git');
    await newWorkspace(page, 'Git repository');
    await page.getByLabel('Repository URL or path').fill(url);
    await page.getByRole('button', { name: 'Create workspace' }).click();
    const { ide, files } = await opensWithItsFiles(page, 'project');
    await ide.run('clear; git status --short --branch && git log -1 --format="commit %s"');
    await ide.terminalText(/## main\.\.\.origin\/main\ncommit brought along/);
    assert.equal(git(files, 'remote', 'get-url', 'origin').trim(), url);
    assert.equal((await person.call('GET', 'workspaces'))[0].source.url, url);
});

onDashboard('a repository that wants a secret, which is kept nowhere', async ({ page, person }) => {
    await newWorkspace(page, 'Git repository');
    await page.getByLabel('Repository URL or path').fill(locked.url('project.git', 'ada:wombat-wrong'));
    await page.getByLabel('Name').fill('refused');
    await page.getByRole('button', { name: 'Create workspace' }).click();
    const card = page.getByRole('listitem').filter({ hasText: 'refused' });
    await card.getByText('import.git_failed').waitFor();
    assert.match(await card.innerText(), /Authentication failed/);
    await picture(page, 'clone-wrong-secret');
    await newWorkspace(page, 'Git repository');
    await page.getByLabel('Repository URL or path').fill(locked.url('project.git', `ada:${SECRET}`));
    await page.getByLabel('Name').fill('private');
    await page.getByRole('button', { name: 'Create workspace' }).click();
    await page.getByRole('link', { name: 'Open private' }).waitFor();
    assert.doesNotMatch(await page.content(), /wombat-(token|wrong)/);
    const told = JSON.stringify(await person.call('GET', 'workspaces'));
    assert.doesNotMatch(told, /wombat-(token|wrong)/);
    const { files } = await opensWithItsFiles(page, 'private');
    assert.doesNotMatch(fs.readFileSync(path.join(files, '.git/config'), 'utf8'), /wombat/);
    assert.doesNotMatch(stack.server.log(), /wombat-(token|wrong)/);
});
