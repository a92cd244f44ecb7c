// What a person does with plugins in the IDE.

/** Longest wait until a plugin was translated for the server, in milliseconds: one in Python brings CPython. */
const TRANSLATED_MS = 240_000;

/** The plugins of one IDE. */
export class Plugins {
    constructor(ide) {
        const { page } = ide;
        Object.assign(this, {
            ide, page,
            /** The view in the side bar. */
            list: page.locator('#coditect-plugins'),
            /** The page of a plugin that is in front. */
            shownPage: page.locator('.coditect-plugin-page:visible'),
            /** The view of a plugin that is in front. */
            view: page.locator('.coditect-plugin-view:visible'),
        });
    }
    /** The entry of a plugin that is installed here. */
    entry(title) { return this.list.getByRole('region', { name: 'Installed' }).getByRole('button', { name: title }).first(); }

    /** The keys hide the view where it is shown. */
    async show() {
        if (!await this.list.isVisible()) { await this.page.keyboard.press('Control+Shift+x'); }
        await this.list.waitFor();
    }
    /** Looks for a plugin in the side bar's view, and asks to install it. */
    async ask(words, title) {
        await this.show();
        await this.list.getByRole('searchbox', { name: 'Search the registry' }).fill(words);
        await this.list.getByRole('button', { name: `Install ${title}` }).click();
        await this.ide.dialog.waitFor();
    }
    /** Agrees to what is asked. */
    async agree() {
        await this.ide.dialog.locator('button.main').click();
        await this.ide.dialog.waitFor({ state: 'detached' });
    }
    async install(words, title) {
        await this.ask(words, title);
        await this.agree();
        await this.ready(title);
    }
    /** Waits until a plugin can be called. */
    ready(title) { return this.entry(title).getByText('Ready').waitFor({ timeout: TRANSLATED_MS }); }

    /** The page of a plugin that is installed here. */
    async showPage(title) {
        await this.show();
        await this.entry(title).click();
        await this.shownPage.getByRole('heading', { name: title }).first().waitFor();
    }
}
