// The search view, as steps a test can read.
import { eventually } from './process.mjs';

const SWITCHES = {
    matchCase: 'Match Case', wholeWord: 'Match Whole Word', regex: 'Use Regular Expression', context: 'Toggle Context Lines', preserveCase: 'Preserve Case'
};

/** The search view of an IDE. */
export class SearchView {
    constructor(ide) { Object.assign(this, { ide, page: ide.page }); }

    get all() { return this.page.locator('#search-in-workspace'); }

    async show() {
        if (!await this.page.locator('#search-input-field').isVisible()) { await this.page.keyboard.press('Control+Shift+f'); }
        await this.page.locator('#search-input-field').waitFor();
    }
    async toggle(title, on) {
        const option = this.all.locator(`.option[title="${title}"]`);
        if ((await option.getAttribute('class')).split(' ').includes('enabled') !== on) { await option.click(); }
        await eventually(`${title} to be ${on}`, async () => (await option.getAttribute('class')).split(' ').includes('enabled') === on);
    }
    /** Fills a field as a person does, whose keys the view listens to. */
    async fill(selector, text) {
        const field = this.page.locator(selector);
        await field.fill(text);
        await field.press('Shift');
    }
    /** Starts a search with these options and no others. */
    async begin(query, { include = '', exclude = '', ignored = false, replace, ...switches } = {}) {
        await this.show();
        await this.fill('#search-input-field', '');
        await this.isAbout('');
        if (!await this.page.locator('#include-glob-field').isVisible()) { await this.all.locator('[title="Toggle Search Details"]').click(); }
        await this.fill('#include-glob-field', include);
        await this.fill('#exclude-glob-field', exclude);
        await this.toggle('Use Exclude Settings and Ignore Files', !ignored);
        const replacing = await this.page.locator('#replace-input-field').isVisible();
        if (replacing !== (replace !== undefined)) { await this.all.locator('.replace-toggle').click(); }
        if (replace !== undefined) { await this.fill('#replace-input-field', replace); }
        for (const [name, title] of Object.entries(SWITCHES)) {
            if (name !== 'preserveCase' || replace !== undefined) { await this.toggle(title, switches[name] ?? false); }
        }
        await this.fill('#search-input-field', query);
        await this.isAbout(query);
    }
    /** The search begins after a pause in typing. */
    isAbout(query) { return eventually(`the search for ${query} to begin`, async () => await this.tree(tree => tree.searchTerm) === query); }

    /** Searches, and answers all matches as `path:line:column+length`, sorted. */
    async search(query, options) {
        await this.begin(query, options);
        await this.idle();
        const found = await this.tree(tree => [...tree.resultTree.values()].flatMap(folder => folder.children.flatMap(file => file.children
            .map(({ line, character, length }) => `${decodeURIComponent(file.fileUri.slice(folder.folderUri.length + 1))}:${line}:${character}+${length}`))));
        return found.sort();
    }
    /** Waits until no search is under way. */
    async idle() { await eventually('the search to end', () => this.tree(tree => tree.cancelIndicator === undefined)); }

    /** Looks at the tree of results, of which the page shows only what is in sight. */
    async tree(look) {
        this.handle ??= await this.page.evaluateHandle(() => {
            const { container } = window.theia;
            const key = [...container._bindingDictionary._map.keys()].find(id => typeof id === 'symbol' && id.description === 'CommandContribution');
            const { shell } = container.getAll(key).find(contribution => contribution.shell?.widgets);
            return shell.widgets.find(widget => widget.id === 'search-in-workspace').resultTreeWidget;
        });
        return this.handle.evaluate(look);
    }
    /** The row of a file. */
    row(name) { return this.all.locator('.theia-TreeNode').filter({ has: this.page.locator('.file-name', { hasText: name }) }).first(); }
    /** The row of a match, counted from 0. */
    match(number) { return this.all.locator('.theia-TreeNode').filter({ has: this.page.locator('.resultLine') }).nth(number); }

    async replaceMatch(number) {
        const row = this.match(number);
        await row.hover();
        await row.locator('[title="Replace"]').click();
    }
    async replaceFile(name) {
        await this.row(name).hover();
        await this.row(name).locator('[title="Replace All"]').click();
    }
}
