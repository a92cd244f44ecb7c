// What a person does in the IDE, as steps a test can read.
import { eventually } from './process.mjs';

/** The IDE of one page. */
export class Ide {
    constructor(page) { this.page = page; }

    async ready() {
        await this.page.waitForSelector('.theia-ApplicationShell', { timeout: 60_000 });
        await this.page.waitForSelector('.theia-preload', { state: 'detached', timeout: 60_000 });
        await this.page.locator('#theia-statusBar').getByText('Online').waitFor();
    }
    /** Runs a command of the palette by its name. */
    async command(name) {
        const input = this.page.locator('.quick-input-widget input[type=text]');
        // An editor that takes the focus in this moment closes the list again.
        await eventually('the palette', async () => {
            await this.page.keyboard.press('F1');
            return input.waitFor({ state: 'visible', timeout: 1000 }).then(() => true, () => false);
        });
        await input.fill(`>${name}`);
        const row = this.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: name }).first();
        await row.waitFor();
        await row.click();
    }
    /** Chooses an entry of a command's list. */
    async choose(command, label) {
        await this.command(command);
        const row = this.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: label }).first();
        await row.click();
        await this.page.locator('.quick-input-widget').waitFor({ state: 'hidden' });
    }
    /** Ids of the commands that have a name. */
    commandIds() {
        return this.page.evaluate(() => {
            const { container } = window.theia;
            const key = [...container._bindingDictionary._map.keys()].find(id => typeof id === 'symbol' && id.description === 'CommandService');
            window.commandsUnderTest = container.get(key);
            return window.commandsUnderTest.commands.filter(command => command.label).map(command => command.id);
        });
    }
    /**
     * Starts a command, whether it asks something or not, and tells how it began. After {@link commandIds}. One that goes on and fails later is
     * among the {@link lateRejections}.
     */
    execute(id) {
        return this.page.evaluate(async id => {
            const commands = window.commandsUnderTest;
            if (!commands.isEnabled(id) || !commands.isVisible(id)) { return 'not offered'; }
            const frames = async count => { for (let i = 0; i < count; i++) { await new Promise(resolve => requestAnimationFrame(resolve)); } };
            let goesOn = false;
            const describe = error => `rejected: ${error?.stack ?? error}`;
            const ended = commands.executeCommand(id).then(() => 'done', error => {
                // Who leaves a question unanswered has cancelled the command: that is no failure.
                const isCancelled = [error?.name, error?.message].some(text => /^Cancell?ed$/.test(text));
                if (goesOn && !isCancelled) { (window.lateRejections ??= []).push(`${id}: ${describe(error)}`); }
                return describe(error);
            });
            return Promise.race([ended, frames(12).then(() => {
                goesOn = true;
                return 'goes on';
            })]);
        }, id);
    }
    /** The commands that had begun well and failed afterwards. */
    lateRejections() { return this.page.evaluate(() => window.lateRejections ?? []); }

    /** Leaves whatever is open in front. */
    async escape() {
        for (let i = 0; i < 2; i++) { await this.page.keyboard.press('Escape'); }
        while (await this.dialog.count() > 0) { await this.dialog.locator('.codicon-close').first().click(); }
    }
    /** Waits until the page has done what it had to do. */
    settled() {
        return this.page.evaluate(async () => {
            for (let i = 0; i < 3; i++) { await new Promise(resolve => requestIdleCallback(resolve, { timeout: 1000 })); }
        });
    }
    node(name) { return this.page.locator('#files .theia-TreeNode').filter({ has: this.page.locator(`text="${name}"`) }).first(); }

    /** The tree only holds what is in sight, and follows the editor: back to its top. */
    async treeTop() {
        if (!await this.page.locator('#files').isVisible()) { await this.page.keyboard.press('Control+Shift+e'); }
        await this.page.locator('#files').hover();
        await this.page.locator('#explorer-view-container [title^="Collapse"]').first().click();
        await this.page.mouse.wheel(0, -1_000_000);
    }
    /** Double-clicks in the tree, whatever comes of it. */
    async tryFromTree(name) {
        await this.treeTop();
        await this.node(name).dblclick();
    }
    async openFromTree(...names) {
        await this.treeTop();
        for (const name of names.slice(0, -1)) { await this.node(name).click(); }
        await this.node(names.at(-1)).waitFor();
        await this.node(names.at(-1)).dblclick();
        await this.editor(names.at(-1));
    }
    async quickOpen(text, name) {
        await this.page.keyboard.press('Control+p');
        const input = this.page.locator('.quick-input-widget input[type=text]');
        await input.waitFor({ state: 'visible' });
        await input.fill(text);
        const row = this.page.locator('.quick-input-list .monaco-list-row').filter({ hasText: name }).first();
        await row.waitFor();
        await row.click();
        await this.editor(name);
    }
    /** Waits until the named file is the one in front. */
    async editor(name) {
        await this.page.locator('#theia-main-content-panel .lm-TabBar-tab.lm-mod-current').filter({ hasText: name }).waitFor();
        await this.page.locator('#theia-main-content-panel .monaco-editor .view-lines').first().waitFor();
    }
    /** Text of the editor in front. */
    async editorText() {
        return this.page.evaluate(() => {
            const shown = [...document.querySelectorAll('#theia-main-content-panel .monaco-editor')].find(editor => editor.offsetParent);
            return [...(shown?.querySelectorAll('.view-line') ?? [])]
                .sort((a, b) => parseFloat(a.style.top) - parseFloat(b.style.top)).map(line => line.textContent).join('\n').replaceAll('\u00a0', ' ');
        });
    }
    async typeAtEnd(text) {
        await this.page.locator('#theia-main-content-panel .monaco-editor:visible .view-lines').first().click();
        await this.page.keyboard.press('Control+End');
        const [first, ...others] = text.split('\n');
        await this.page.keyboard.type(first);
        for (const line of others) {
            // The key Enter would choose a word where the editor offers one in this moment.
            await this.page.keyboard.insertText('\n');
            await this.page.keyboard.type(line);
        }
    }
    async isDirty() { return await this.page.locator('#theia-main-content-panel .lm-TabBar-tab.lm-mod-current.theia-mod-dirty').count() > 0; }

    async save() {
        await this.page.keyboard.press('Control+s');
        await eventually('the editor to be clean', async () => !(await this.isDirty()));
    }
    async newTerminal() {
        const before = await this.page.locator('.terminal-container').count();
        await this.command('Create New Terminal');
        await eventually('a terminal', async () => await this.page.locator('.terminal-container').count() > before);
        await this.terminalText(/[$#] ?$/m);
    }
    /** Types a line into the terminal in front. */
    async run(line) {
        await this.page.locator('.terminal-container:visible').last().click();
        await this.page.keyboard.type(line);
        await this.page.keyboard.press('Enter');
    }
    /** Text of the terminal in front, once it matches. */
    async terminalText(pattern, limit) {
        // The terminal paints its text: it is read from its buffer.
        const read = () => this.page.evaluate(() => {
            const { container } = window.theia;
            const key = [...container._bindingDictionary._map.keys()].find(id => typeof id === 'symbol' && id.description === 'TerminalService');
            const shown = container.get(key).all.filter(widget => widget.isVisible).at(-1);
            const buffer = shown?.term.buffer.active;
            return Array.from({ length: buffer?.length ?? 0 }, (_, row) => buffer.getLine(row).translateToString(true)).join('\n').trimEnd();
        });
        let text = '';
        try {
            await eventually(`the terminal to show ${pattern}`, async () => pattern.test(text = await read()), limit);
        } catch (error) { throw new Error(`${error.message}; it shows:\n${text}`); }
        return text;
    }
    /** A message that pops up, by what it says. */
    message(pattern) { return this.page.locator('.theia-notification-toasts .theia-notification-list-item').filter({ hasText: pattern }).first(); }

    /** Clears away the messages, so that the next one is a new one. */
    async clearMessages() {
        const one = this.page.locator('.theia-notification-toasts .theia-notification-list-item .codicon-close').first();
        await eventually('the messages to be gone', async () => {
            if (await one.count() === 0) { return true; }
            await one.click({ timeout: 1000 });
        });
    }
    /** The question in front of everything. */
    get dialog() { return this.page.locator('.dialogBlock'); }

    async answerDialog(label) {
        await this.dialog.getByRole('button', { name: label, exact: true }).click();
        await this.dialog.waitFor({ state: 'detached' });
    }
    async searchText(query) {
        await this.page.keyboard.press('Control+Shift+f');
        const input = this.page.locator('#search-input-field');
        await input.waitFor();
        await input.fill(query);
        await this.page.keyboard.press('Enter');
        const result = this.page.locator('#search-in-workspace .resultLine, .t-siw-search-container ~ * .resultLine, .resultLine').first();
        await result.waitFor();
        return result;
    }
    async openChat() {
        if (await this.page.locator('.theia-ChatInput .monaco-editor').isVisible().catch(() => false)) { return; }
        await this.command('Toggle AI Chat');
        await this.page.locator('.theia-ChatInput .monaco-editor').waitFor();
    }
    async ask(text) {
        await this.page.locator('.theia-ChatInput .monaco-editor').click();
        await this.page.keyboard.type(text);
        await this.page.keyboard.press('Enter');
    }
}
