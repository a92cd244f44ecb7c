// How soon the server answers, and what it takes: at rest, with a page, with many.
import { setTimeout as delay } from 'node:timers/promises';
import { launch } from '../harness/browser.mjs';
import { Person } from '../harness/person.mjs';
import { Cut } from './cut.mjs';
import { epoch, firstAnswer, residentMb } from './machine.mjs';
import { connectShell, shellPage } from './shell.mjs';
import { Visitor } from './usable.mjs';

const RUNS = 20;
/** How long a server is left alone before its memory is read. */
const REST_MS = 5000;
const PAGES = 10;

/** Starts the server of the stack again and again over its data. */
export async function measureStart(figures, { stack }) {
    for (const [name, signal] of [['start_ready', 'SIGTERM'], ['start_ready_after_kill', 'SIGKILL']]) {
        const samples = [];
        for (let run = 0; run < RUNS; run += 1) {
            await stack.server.stop(signal);
            const begin = epoch();
            const starting = stack.startServer();
            samples.push(await firstAnswer(`${stack.direct}health`) - begin);
            await starting;
        }
        figures.samples(name, 'ms', samples);
    }
}

/** Memory of a server that was just started; of the same with one IDE; and of ten more people's pages that only watch. */
export async function measureMemory(figures, { stack, email, workspace }) {
    await stack.server.stop();
    await stack.startServer();
    await delay(REST_MS);
    figures.value('rss_idle', 'MB', residentMb(...stack.processes()));
    const network = await Cut.before(Number(new URL(stack.url).port));
    const browser = await launch();
    try {
        const visitor = await Visitor.in(browser, network);
        await new Person(visitor.context, network.url, email).logIn();
        await visitor.visit(`${network.url}theia/?workspace=${workspace}`);
        await delay(REST_MS);
        figures.value('rss_one_page', 'MB', residentMb(...stack.processes()));
        const people = [];
        for (let index = 0; index < PAGES; index += 1) { people.push(await someone(browser, stack.url, `person-${index}@example.org`)); }
        // Their logins are paid for by now.
        await delay(REST_MS);
        const before = residentMb(...stack.processes());
        for (const person of people) { await connect(person); }
        await delay(REST_MS);
        figures.value('rss_per_page', 'MB', Math.max(0, residentMb(...stack.processes()) - before) / PAGES);
    } finally {
        await browser.close();
        await network.stop();
    }
}

/** Another person, with an own workspace and a page of the site. */
async function someone(browser, url, email) {
    const context = await browser.newContext();
    const workspace = await (await Person.register(context, url, email)).workspace('bench');
    return { page: await shellPage(context, url), workspace, base: url };
}

/** The shell as the IDE uses it at rest: a link, an open workspace, a watch. */
async function connect({ page, workspace, base }) {
    await connectShell(page, base, workspace);
    await page.evaluate(() => { window.watch = window.shell.onChanges(() => undefined); });
}
