// Two people in one workspace: one lets the other in, they see each other, neither overwrites the other unasked, and what is taken away ends.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

let browser, stack, ada, bob, id;

before(async () => {
    stack = await Stack.start();
    browser = await launch();
    ada = await somebody('ada@example.org');
    bob = await somebody('bob@example.org');
    id = await ada.person.workspace('ours');
    fs.writeFileSync(path.join(stack.filesOf(id), 'plan.txt'), 'one\n');
    fs.writeFileSync(path.join(stack.filesOf(id), 'other.txt'), 'other\n');
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

/** Somebody with a browser of their own, who saves by hand. */
async function somebody(email) {
    const opened = await open(browser);
    const person = await Person.register(opened.context, stack.url, email);
    stack.writeSettings(person.id, { 'files.autoSave': 'off' });
    return { ...opened, person, ide: new Ide(opened.page) };
}

const step = steps('people', () => [ada, bob].map(({ page, faults }) => ({ page, faults })));

const card = ({ page }) => page.locator('.workspace').filter({ hasText: 'ours' });
const status = ({ page }, label) => page.locator(`#theia-statusBar [aria-label="${label}"]`);
const tab = ({ page }, name) => page.locator('#theia-main-content-panel .lm-TabBar-tab').filter({ hasText: name }).first();
const fileText = name => fs.readFileSync(path.join(stack.filesOf(id), name), 'utf8');

step('the owner lets somebody in by name', async () => {
    await ada.page.goto(`${stack.url}dashboard`);
    await ada.page.getByRole('button', { name: 'Members of ours' }).click();
    const dialog = ada.page.getByRole('dialog');
    await dialog.getByText('ada@example.org (you)').waitFor();
    ada.faults.expect(refused(404));
    await dialog.getByLabel('Add somebody').fill('nobody@example.org');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.getByText('auth.no_such_person').waitFor();
    await dialog.getByLabel('Add somebody').fill('bob@example.org');
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await dialog.getByText('bob@example.org can use it now.').waitFor();
    await picture(ada.page, 'people-members');
    await dialog.getByRole('button', { name: 'Close' }).click();
    await card(ada).getByText('Shared with 1 person').waitFor();

    await bob.page.goto(`${stack.url}dashboard`);
    await card(bob).getByText('Shared by ada@example.org').waitFor();
    await card(bob).getByText('Can write').waitFor();
    assert.equal(await card(bob).getByRole('button', { name: 'Delete ours' }).count(), 0);
    await picture(bob.page, 'people-shared');
});

step('they see each other, and who is in which file', async () => {
    for (const each of [ada, bob]) {
        await each.page.goto(each.person.ideUrl(id));
        await each.ide.ready();
    }
    await status(ada, 'Also here: bob@example.org').waitFor();
    await status(bob, 'Also here: ada@example.org').waitFor();
    await ada.ide.openFromTree('plan.txt');
    await bob.ide.openFromTree('plan.txt');
    await tab(ada, 'plan.txt').getByText('BO').waitFor();
    await tab(bob, 'plan.txt').getByText('AD').waitFor();
    await picture(ada.page, 'people-in-a-file');
});

step('both change one file: each is warned, and who saves second is asked and told who it was', async () => {
    await ada.ide.typeAtEnd('of ada\n');
    await bob.ide.typeAtEnd('of bob\n');
    await ada.ide.message(/bob@example\.org has unsaved changes in “plan\.txt”, too/).waitFor();
    await bob.ide.message(/ada@example\.org has unsaved changes in “plan\.txt”, too/).waitFor();
    await picture(ada.page, 'people-both-change');
    await ada.ide.save();
    assert.equal(fileText('plan.txt'), 'one\nof ada\n');
    await bob.page.keyboard.press('Control+s');
    await bob.ide.dialog.getByText(/ada@example\.org (saved it while you were changing it|has it open, too)/).waitFor();
    await picture(bob.page, 'people-conflict');
    assert.equal(fileText('plan.txt'), 'one\nof ada\n', 'nothing is overwritten before the person has said so');
    await bob.ide.answerDialog('Overwrite');
    await eventually('the version that was chosen', () => fileText('plan.txt') === 'one\nof bob\n');
    await eventually('the other editor to follow', async () => (await ada.ide.editorText()).includes('of bob'));
});

step('who may only read sees everything and changes nothing', async () => {
    await ada.person.call('PATCH', `workspaces/${id}/members/${bob.person.id}`, { role: 'read' });
    await status(bob, 'You may only look at this workspace').waitFor();
    await bob.ide.openFromTree('other.txt');
    await bob.page.keyboard.type('typed');
    await bob.ide.settled();
    assert.equal(await bob.ide.isDirty(), false);
    await picture(bob.page, 'people-read-only');
    const put = await bob.person.ask('PUT', `workspaces/${id}/files/other.txt`, 'typed');
    assert.deepEqual([put.status(), (await put.json()).code], [403, 'workspace.read_only']);
    assert.equal(fileText('other.txt'), 'other\n');
    await ada.person.call('PATCH', `workspaces/${id}/members/${bob.person.id}`, { role: 'write' });
    await status(bob, 'You may only look at this workspace').waitFor({ state: 'detached' });
    await bob.ide.typeAtEnd('x');
    await eventually('the editor to take what is typed', () => bob.ide.isDirty());
    await bob.page.keyboard.press('Control+z');
    await eventually('the editor to be as it was', async () => !await bob.ide.isDirty());
    // Files of the page that are not there, such as that of the keys, are looked at as well: that is no failure.
    assert.equal(await bob.ide.message(/nonexistent file/).count(), 0);
});

step('a page that goes away goes out of sight', async () => {
    await bob.page.goto('about:blank');
    await status(ada, 'Also here: bob@example.org').waitFor({ state: 'detached' });
    await bob.page.goto(bob.person.ideUrl(id));
    await bob.ide.ready();
    await status(ada, 'Also here: bob@example.org').waitFor();
});

step('a membership that ends is told at once, and nothing is reached any more', async () => {
    // The IDE looks again at what it showed.
    bob.faults.expect(refused(404), /workspace\.(not_found|access_ended)/);
    await ada.person.call('DELETE', `workspaces/${id}/members/${bob.person.id}`);
    await bob.ide.message(/not shared with you any more/).waitFor();
    await picture(bob.page, 'people-lost');
    await status(ada, 'Also here: bob@example.org').waitFor({ state: 'detached' });
    assert.equal((await bob.person.ask('GET', `workspaces/${id}/files/plan.txt`)).status(), 404);
    await bob.ide.message(/not shared with you any more/).getByText('To the dashboard').click();
    await bob.page.getByText('Create your first workspace').waitFor();
});
