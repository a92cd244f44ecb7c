// A browser that remembers everything that went wrong in its pages.
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

/** A page in a context of its own. */
export async function open(browser, { viewport = { width: 1400, height: 900 }, ...options } = {}) {
    const context = await browser.newContext({ viewport, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const faults = { errors: [], console: [], outage: false };
    // An unhandled rejection reaches Playwright as a page error, too.
    page.on('pageerror', error => faults.errors.push(`${page.url()}: ${error.stack ?? error}`));
    page.on('console', message => {
        if (message.type() !== 'error') { return; }
        const text = `${message.text()} (${message.location().url})`;
        if (faults.outage && CONNECTION.test(text)) { return; }
        faults.console.push(text);
    });
    await context.addInitScript(() => {
        window.addEventListener('unhandledrejection', event => console.error('unhandled rejection:', event.reason?.stack ?? event.reason));
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
