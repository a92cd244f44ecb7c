// What a person at an IDE waits for in a large workspace: a file by its name, a text in all files, a change made elsewhere. The same
// keys and the same signs on the screen for every IDE.
import fs from 'node:fs';
import path from 'node:path';
import { epoch } from './machine.mjs';
import { NEEDLE } from './trees.mjs';

const RUNS = 10;
const LIMIT_MS = 120_000;
/** After this a key that did nothing is pressed again. */
const KEY_MS = 2000;
const PICKER = '.quick-input-widget input[type=text]';

/** In the page: answers the time at which something with this text is shown first. */
function installSign() {
    window.benchSign = (selector, text, limit) => new Promise((resolve, reject) => {
        const shown = () => [...document.querySelectorAll(selector)].some(node => node.textContent.replaceAll('\u00a0', ' ').includes(text));
        const tell = () => resolve(performance.timeOrigin + performance.now());
        if (shown()) { tell(); return; }
        const observer = new MutationObserver(() => {
            if (!shown()) { return; }
            observer.disconnect();
            tell();
        });
        observer.observe(document, { subtree: true, childList: true, characterData: true });
        setTimeout(() => {
            observer.disconnect();
            reject(new Error(`nothing shows ${text}`));
        }, limit);
    });
}

/**
 * `page` shows an IDE with the sources of `dir` open; `results` are the rows of its search view.
 */
export async function measureDesk(figures, { page, dir, results, who = 'ours' }) {
    await page.evaluate(installSign);
    const sign = (selector, text) => page.evaluate(([...args]) => window.benchSign(...args), [selector, text, LIMIT_MS]);
    const file = `${who.replaceAll(/\W/g, '')}-seen.txt`;
    fs.writeFileSync(path.join(dir, file), 'version 0\n');
    const picked = [], changed = [], found = [];
    const input = page.locator(PICKER);
    for (let run = -1; run < RUNS; run += 1) {
        await openPicker(page, input);
        const begin = epoch();
        await page.keyboard.insertText(file.slice(0, -4));
        const at = await sign('.quick-input-list .monaco-list-row', file);
        if (run >= 0) { picked.push(at - begin); }
        if (run < RUNS - 1) { await page.keyboard.press('Escape'); } else { await page.keyboard.press('Enter'); }
    }
    await sign('.view-line', 'version 0');
    for (let run = 1; run <= RUNS; run += 1) {
        const begin = epoch();
        fs.writeFileSync(path.join(dir, file), `version ${run}\n`);
        changed.push(await sign('.view-line', `version ${run}`) - begin);
    }
    await page.keyboard.press('Control+Shift+f');
    for (let run = -1; run < RUNS; run += 1) {
        const field = page.locator(results.input).first();
        await field.fill('surely nothing has this');
        await field.press('Enter');
        await page.waitForFunction(rows => document.querySelectorAll(rows).length === 0, results.rows, { timeout: LIMIT_MS });
        await field.fill(NEEDLE.text);
        const begin = epoch();
        await field.press('Enter');
        const at = await sign(results.rows, results.shows);
        if (run >= 0) { found.push(at - begin); }
    }
    figures.samples('desk_picker', 'ms', picked, who);
    figures.samples('desk_change', 'ms', changed, who);
    figures.samples('desk_search', 'ms', found, who);
}

/** A page that is just there may not listen yet, and one whose picker was just closed may still be taking it away. */
async function openPicker(page, input) {
    for (let patience = 60; ; patience -= 1) {
        await page.keyboard.press('Control+p');
        try {
            await input.waitFor({ state: 'visible', timeout: KEY_MS });
            return;
        } catch (error) { if (patience === 0) { throw error; } }
    }
}

/** Where Theia shows what it found. */
export const THEIA_RESULTS = { input: '#search-in-workspace textarea, #search-in-workspace input[type=text]', rows: '#search-in-workspace .theia-TreeNode', shows: '' };
/** Where code-server does. */
export const CODE_RESULTS = { input: '.search-view .search-widget textarea', rows: '.search-view .monaco-list-row', shows: '' };
