// How long an IDE takes until somebody can work in it, and what is received for that.
import { setTimeout as delay } from 'node:timers/promises';
import { open } from '../harness/browser.mjs';

const USABLE_LIMIT_MS = 120_000;
/** What is loaded so soon after the start belongs to it. */
const SETTLE_MS = 3000;
const BYTES_PER_MB = 1e6;

/** What shows that an IDE is usable: by default files are listed, the status bar says that we are online, and nothing covers them. */
const OURS = { tree: '#files .theia-TreeNode', status: '#theia-statusBar', says: 'Online' };

/** Tells the moment when all of it is there. Runs in the page. */
function tellWhenUsable({ tree, status, says }) {
    if (window.top !== window) { return; }
    const uncovered = () => document.querySelector('.theia-preload')?.classList.contains('theia-hidden') ?? true;
    const found = () => document.querySelector(tree) !== null && document.querySelector(status)?.textContent.includes(says) && uncovered();
    const observer = new MutationObserver(() => {
        if (!found()) { return; }
        observer.disconnect();
        window.benchUsable(performance.now());
    });
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributeFilter: ['class'] });
}

/** A page in a new context of the browser that tells when what it shows is usable. `network` is the `Cut` that it reaches the server by. */
export class Visitor {
    static async in(browser, network, signs = OURS) {
        const visitor = new Visitor();
        const { context, page, faults } = await open(browser);
        Object.assign(visitor, { context, page, faults, network, requests: 0 });
        await page.exposeBinding('benchUsable', (_, time) => visitor.arrived?.(time));
        await page.addInitScript(tellWhenUsable, signs);
        page.on('request', () => { visitor.requests += 1; });
        visitor.cdp = await context.newCDPSession(page);
        await visitor.cdp.send('Performance.enable');
        return visitor;
    }
    /** Goes to the address, or loads it again; answers when it was usable, and what that took. */
    async visit(url) {
        // The same address would only be a jump within the page where it ends in a fragment.
        await this.page.goto('about:blank');
        this.requests = 0;
        this.before = this.network.received;
        const usable = new Promise((resolve, reject) => {
            const timer = setTimeout(() => reject(new Error(`${url} was not usable within ${USABLE_LIMIT_MS} ms`)), USABLE_LIMIT_MS);
            this.arrived = ms => {
                clearTimeout(timer);
                resolve({ ms, mb: this.receivedMb, requests: this.requests });
            };
        });
        await this.page.goto(url, { waitUntil: 'commit' });
        const begin = await this.#busy();
        const figures = await usable;
        return { ...figures, cpu: await this.#busy() - begin };
    }
    get receivedMb() { return (this.network.received - this.before) / BYTES_PER_MB; }

    /** What came in all, once it is quiet. */
    async settledMb() {
        await delay(SETTLE_MS);
        return this.receivedMb;
    }
    /** Milliseconds that the page's main thread has computed: hardly moved by what else the machine does. */
    async #busy() {
        const { metrics } = await this.cdp.send('Performance.getMetrics');
        return metrics.find(({ name }) => name === 'ThreadTime').value * 1000;
    }
}
