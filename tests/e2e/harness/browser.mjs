// A browser that remembers everything that went wrong in its pages.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright-core';
import { parts } from './stack.mjs';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

/** What a broken connection looks like in the console; expected only while a test breaks it on purpose. */
const CONNECTION = /WebSocket connection to|net::ERR_CONNECTION_REFUSED|Failed to load resource: the server responded with a status of 50[234]/;

export async function launch() {
    return chromium.launch({ executablePath: process.env.CODITECT_E2E_CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
}

/** What went wrong in a page, unseen. */
class Faults {
    errors = [];
    console = [];
    /** While true, what a broken connection looks like in the console is expected. */
    outage = false;
    /** Where the page's requests and sockets went. */
    origins = new Set();
    expected = [];

    /** From now on, errors like this one belong to what is tested. */
    expect(...patterns) { this.expected.push(...patterns); }

    /** The same for what `run` does, and not for what comes after it. */
    async during(patterns, run) {
        const { expected } = this;
        this.expected = [...expected, ...patterns];
        try {
            return await run();
        } finally { this.expected = expected; }
    }

    noteError(text) {
        if (!this.expected.some(pattern => pattern.test(text))) { this.errors.push(text); }
    }
    note(text) {
        if (this.outage && CONNECTION.test(text)) { return; }
        if (!this.expected.some(pattern => pattern.test(text))) { this.console.push(text); }
    }
    assertNone() {
        assert.deepEqual(this.errors, [], 'page errors');
        assert.deepEqual(this.console, [], 'errors in the console');
    }
}

/** How the browser itself notes an answer with this status. */
export const refused = status => new RegExp(`Failed to load resource: the server responded with a status of ${status}`);

/** A page in a context of its own, or in a given one. */
export async function open(browser, { viewport = { width: 1400, height: 900 }, context, ...options } = {}) {
    context ??= await browser.newContext({ viewport, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const faults = new Faults();
    // An unhandled rejection reaches Playwright as a page error, too.
    page.on('pageerror', error => faults.noteError(`${page.url()}: ${error.stack ?? error}`));
    page.on('console', message => {
        if (message.type() !== 'error') { return; }
        faults.note(`${message.text()} (${message.location().url})`);
    });
    const went = url => { if (/^(http|ws)s?:/.test(url)) { faults.origins.add(new URL(url).host); } };
    page.on('request', request => went(request.url()));
    page.on('websocket', socket => went(socket.url()));
    await page.addInitScript(() => {
        // One that the page has shown to the person is no fault; whether it was is known once all listeners had it.
        window.addEventListener('unhandledrejection', event => setTimeout(() => {
            if (!event.defaultPrevented) { console.error('unhandled rejection:', event.reason?.stack ?? event.reason); }
        }));
    });
    return { context, page, faults };
}

/** A picture for whoever looks at the results. */
export async function picture(page, name) {
    fs.mkdirSync(parts.results, { recursive: true });
    const file = path.join(parts.results, `${name}.png`);
    await page.screenshot({ path: file });
    return file;
}
