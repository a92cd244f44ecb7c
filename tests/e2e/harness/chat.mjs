// The newest answer in the chat, and how it came.

/** Longest that a small model on a slow machine takes for an answer, in milliseconds. */
const ANSWER_MS = 180_000;

/** The answers of the chat in one page. */
export class Chat {
    constructor(page) {
        this.page = page;
        this.answer = page.locator('.theia-ChatNode').filter({ has: page.locator('.theia-ResponseNode') }).last();
    }
    /** Notes from now on each length to which the prose of the newest answer grows as long as the answer is not complete. */
    watch() {
        return this.page.evaluate(() => {
            window.growthUnderTest = [];
            const look = () => {
                const answer = [...document.querySelectorAll('.theia-ResponseNode')].at(-1)?.closest('.theia-ChatNode');
                if (!answer?.querySelector('.theia-ChatContentInProgress')) { return; }
                const prose = [...answer.querySelectorAll('.theia-ResponseNode-Content')].filter(part => !part.querySelector('.theia-toolCall'));
                const length = prose.reduce((sum, part) => sum + part.textContent.trim().length, 0);
                if (length > (window.growthUnderTest.at(-1) ?? 0)) { window.growthUnderTest.push(length); }
            };
            new MutationObserver(look).observe(document.body, { childList: true, subtree: true, characterData: true });
        });
    }
    growth() { return this.page.evaluate(() => window.growthUnderTest); }

    /** Lets the tool run that the answer wants to use, whether the person is asked about it or not. */
    async allowTool() {
        const ran = this.answer.locator('.theia-toolCall-finished').first();
        const allow = this.answer.locator('.theia-tool-confirmation-split-button.allow .theia-tool-confirmation-main-btn').first();
        await ran.or(allow).first().waitFor({ timeout: ANSWER_MS });
        if (await allow.isVisible()) { await allow.click(); }
        await ran.waitFor({ timeout: ANSWER_MS });
    }
    /** Waits until nothing is added to the answer any more: then it gets its tools, shown when the mouse is there. */
    complete() { return this.answer.locator('.theia-ChatNodeToolbar').waitFor({ state: 'attached', timeout: ANSWER_MS }); }

    /** A call of the tool that ran, unfolded: what stands in its line, and its result. */
    async toolCall(name) {
        const call = this.answer.locator('details.theia-toolCall-finished').filter({ has: this.page.locator('summary').filter({ hasText: name }) }).first();
        await call.locator('summary').click();
        const result = call.locator('.theia-toolCall-response-result');
        await result.waitFor({ state: 'visible' });
        return { line: await call.locator('summary').innerText(), result: await result.innerText() };
    }
}
