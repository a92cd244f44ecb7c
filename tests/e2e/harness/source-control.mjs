// The view of git in the IDE, as steps a test can read.
import assert from 'node:assert/strict';
import { eventually } from './process.mjs';

/** The source control view of one page. */
export class SourceControl {
    constructor(ide) { Object.assign(this, { ide, page: ide.page }); }

    async open() {
        const view = this.page.locator('#scm-view-container');
        await eventually('the view', async () => {
            if (await view.isVisible()) { return true; }
            await this.page.keyboard.press('Control+Shift+g');
            return view.waitFor({ state: 'visible', timeout: 2000 }).then(() => true, () => false);
        });
    }
    /** Runs a command of git's by its whole name. */
    async run(name) {
        const input = this.page.locator('.quick-input-widget input[type=text]');
        await eventually('the palette', async () => {
            await this.page.keyboard.press('F1');
            return input.waitFor({ state: 'visible', timeout: 1000 }).then(() => true, () => false);
        });
        await input.fill(`>Git: ${name}`);
        await this.pickRow(`Git: ${name}`);
    }
    /** Chooses in the list that has this title. */
    async pick(title, label) {
        await this.page.locator('.quick-input-title').getByText(title).waitFor();
        await this.pickRow(label);
    }
    /** Clicks the row of the list with this label, once the list stands still. */
    async pickRow(label) {
        // A symbol may stand before it.
        const exact = new RegExp(`^\\s*${label.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\s*$`);
        const row = this.page.locator('.quick-input-list .monaco-list-row').filter({ has: this.page.locator('.label-name').filter({ hasText: exact }) }).first();
        await row.click();
    }
    /** Answers the question that has this title. */
    async answer(title, text) {
        await this.page.locator('.quick-input-title').getByText(title).waitFor();
        const input = this.page.locator('.quick-input-widget .quick-input-filter input');
        await input.fill(text);
        await this.page.keyboard.press('Enter');
    }
    /** Names and letters of the changed files, by group. */
    groups() {
        return this.page.evaluate(() => {
            const groups = {};
            let group;
            for (const node of document.querySelectorAll('#scm-resource-widget .theia-TreeNode')) {
                const text = selector => node.querySelector(selector)?.textContent.trim() ?? '';
                if (node.querySelector('.scm-theia-header')) {
                    group = groups[text('.noWrapInfo')] = [];
                } else { group?.push(`${text('.status')} ${text('.name')}`); }
            }
            return groups;
        });
    }
    /** Waits until exactly these groups are shown; of files the order does not count. */
    async shows(expected) {
        const sorted = groups => Object.fromEntries(Object.entries(groups).map(([name, files]) => [name, [...files].sort()]));
        let last;
        await eventually('the changes', async () => {
            try {
                assert.deepEqual(last = sorted(await this.groups()), sorted(expected));
                return true;
            } catch { return false; }
        }).catch(() => assert.deepEqual(last, sorted(expected)));
    }
    /** The row of a file in a group. */
    async row(group, name) {
        const index = await eventually(`${name} among ${group}`, async () => {
            const at = await this.page.evaluate(([group, name]) => {
                let current;
                return [...document.querySelectorAll('#scm-resource-widget .theia-TreeNode')].findIndex(node => {
                    if (node.querySelector('.scm-theia-header')) { current = node.querySelector('.noWrapInfo').textContent; }
                    return current === group && node.querySelector('.scmItem .name')?.textContent.trim() === name;
                });
            }, [group, name]);
            return at < 0 ? undefined : { at };
        });
        return this.page.locator('#scm-resource-widget .theia-TreeNode').nth(index.at);
    }
    /** Clicks what stands beside a file when the mouse is there. */
    async act(group, name, title) {
        const row = await this.row(group, name);
        await row.hover();
        await row.locator(`[title="${title}"]`).click();
    }
    async openChanges(group, name) {
        await (await this.row(group, name)).click();
        await this.diffEditor.locator('.view-line').first().waitFor();
    }
    get diffEditor() { return this.page.locator('#theia-main-content-panel .monaco-diff-editor:visible'); }
    get message() { return this.page.locator('#theia-scm-input-message'); }

    /** Commits with this message by the key. */
    async commit(message) {
        await this.message.fill(message);
        await this.message.press('Control+Enter');
    }
    /** Waits until the entry of the status bar reads so. */
    async branch(text) {
        const shown = this.page.locator('#theia-statusBar .element').filter({ has: this.page.locator('.codicon-git-branch') });
        await eventually(`the branch ${text}`, async () => (await shown.first().innerText()).trim() === text)
            .catch(async () => assert.equal((await shown.first().innerText()).trim(), text));
    }
}
