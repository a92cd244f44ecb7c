// The one connection: how soon it is back, whether anything is lost, how long a round trip takes.
import { setTimeout as delay } from 'node:timers/promises';
import { launch } from '../harness/browser.mjs';
import { Ide } from '../harness/ide.mjs';
import { eventually } from '../harness/process.mjs';
import { Person } from '../harness/person.mjs';
import { Cut } from './cut.mjs';
import { percentile } from './figures.mjs';
import { epoch, firstAnswer } from './machine.mjs';
import { Visitor } from './usable.mjs';

const RUNS = 20;
/** Runs of each other way to lose the connection. */
const OTHER_RUNS = 10;
const STAT_RUNS = 500;
const KEY_RUNS = 100;
const NOTICED_MS = 1000;
const UNNOTICED_MS = 2000;
/** Between two runs: longer than what makes a connection count as a good one. */
const REST_MS = 5500;
/** Lines that the terminal prints a second. */
const COUNTER = 'i=0; while :; do i=$((i+1)); echo "n$i."; sleep 0.005; done';

/** An IDE behind a network that can be cut, with `window.bench` to look into it. */
async function enter({ stack, email, workspace }) {
    const cut = await Cut.before(Number(new URL(stack.url).port));
    const browser = await launch();
    const visitor = await Visitor.in(browser, cut);
    await new Person(visitor.context, cut.url, email).logIn();
    await visitor.visit(`${cut.url}theia/?workspace=${workspace}`);
    const ide = new Ide(visitor.page);
    await ide.ready();
    await visitor.page.evaluate(() => {
        const { container } = window.theia;
        const ids = [...container._bindingDictionary._map.keys()];
        const host = container.get(ids.find(id => typeof id === 'function' && id.prototype && 'reopen' in id.prototype && 'workspaceUrl' in id.prototype));
        const terminals = () => container.get(ids.find(id => typeof id === 'symbol' && id.description === 'TerminalService')).all;
        const bench = window.bench = { host, changes: [], terminal: () => terminals().at(-1).term };
        let last = host.status.connection;
        host.onStatus(({ connection }) => {
            if (connection !== last) { bench.changes.push({ connection, at: performance.timeOrigin + performance.now() }); }
            last = connection;
        });
    });
    const leave = async () => {
        await browser.close();
        await cut.stop();
    };
    return { cut, page: visitor.page, context: visitor.context, ide, leave };
}

export async function measureReconnect(figures, all) {
    const room = await enter(all);
    const { cut, page, context, ide } = room;
    try {
        await ide.newTerminal();
        await page.evaluate(() => {
            const term = window.bench.terminal();
            const write = term.write.bind(term);
            window.bench.written = '';
            const decoder = new TextDecoder();
            term.write = (data, done) => {
                window.bench.written += typeof data === 'string' ? data : decoder.decode(data, { stream: true });
                write(data, done);
            };
        });
        await ide.run(`clear; ${COUNTER}`);
        figures.samples('reconnect', 'ms', await outages(page, RUNS, async () => {
            cut.sever();
            await context.setOffline(true);
            await delay(NOTICED_MS);
            cut.restore();
            const back = epoch();
            await context.setOffline(false);
            return back;
        }));
        figures.samples('reconnect_reset', 'ms', await outages(page, OTHER_RUNS, async () => {
            const back = epoch();
            cut.reset();
            return back;
        }));
        figures.samples('reconnect_unnoticed', 'ms', await outages(page, OTHER_RUNS, async () => {
            cut.sever();
            await delay(UNNOTICED_MS);
            cut.restore();
            return epoch();
        }));
        figures.value('terminal_bytes_lost', 'bytes', await lost(room));
        figures.samples('reconnect_restart', 'ms', await outages(page, OTHER_RUNS, async () => {
            await all.stack.server.stop('SIGKILL');
            const starting = all.stack.startServer();
            const back = await firstAnswer(`${all.stack.direct}health`);
            await starting;
            return back;
        }));
    } finally { await room.leave(); }
}

/** Runs `outage`, which answers when the network was back, and waits until the page is online again. */
async function outages(page, runs, outage) {
    const samples = [];
    for (let run = 0; run < runs; run += 1) {
        await delay(REST_MS);
        await page.evaluate(() => { window.bench.changes.length = 0; });
        const back = await outage();
        const online = await eventually('the page to be online again', async () => {
            const changes = await page.evaluate(() => window.bench.changes);
            const last = changes.at(-1);
            return last?.connection === 'online' && last.at;
        });
        samples.push(Math.max(0, online - back));
    }
    return samples;
}

/** Bytes of the counter's lines that are missing or there twice, after it was stopped. */
async function lost({ page, ide }) {
    await page.locator('.terminal-container:visible').last().click();
    await page.keyboard.press('Control+c');
    await ide.run('echo "end$((40+2))"');
    await ide.terminalText(/end42/);
    const text = await page.evaluate(() => window.bench.written);
    const numbers = [...text.matchAll(/n(\d+)\.\r?\n/g)].map(match => Number(match[1]));
    const expected = Array.from({ length: numbers.at(-1) }, (_, index) => index + 1);
    if (expected.length < RUNS) { throw new Error(`the counter counted only to ${expected.length}`); }
    if (numbers.join() === expected.join()) { return 0; }
    const seen = new Map();
    for (const number of numbers) { seen.set(number, (seen.get(number) ?? 0) + 1); }
    return expected.reduce((sum, number) => sum + Math.abs((seen.get(number) ?? 0) - 1) * `n${number}.\n`.length, 0) || 1;
}

export async function measureTrips(figures, all) {
    const room = await enter(all);
    try {
        const stats = await room.page.evaluate(async runs => {
            const { host } = window.bench;
            const path = `${host.rootUri.path}/README.md`;
            const samples = [];
            for (let run = 0; run < runs; run += 1) {
                const begin = performance.now();
                await host.shell.stat(path);
                samples.push(performance.now() - begin);
            }
            return samples;
        }, STAT_RUNS);
        figures.samples('link_stat', 'ms', stats);
        figures.value('link_stat_p99', 'ms', percentile(stats, 99));
        await keys(figures, room);
    } finally { await room.leave(); }
}

/** Real keys, typed into the shell of a terminal. */
async function keys(figures, { page, ide }) {
    await ide.newTerminal();
    await page.locator('.terminal-container:visible').last().click();
    await page.evaluate(() => {
        const { bench } = window;
        const term = bench.terminal();
        bench.echo = [];
        bench.painted = [];
        let pressed, written;
        window.addEventListener('keydown', event => {
            pressed = event.timeStamp;
            written = undefined;
        }, true);
        term.onWriteParsed(() => {
            if (pressed === undefined || written !== undefined) { return; }
            written = performance.now();
            bench.echo.push(written - pressed);
        });
        term.onRender(() => {
            if (pressed === undefined || written === undefined) { return; }
            bench.painted.push(performance.now() - pressed);
            pressed = undefined;
        });
    });
    for (let run = 1; run <= KEY_RUNS; run += 1) {
        await page.keyboard.press(run % 40 === 0 ? 'Control+u' : 'a');
        await eventually('the echo on the screen', () => page.evaluate(count => window.bench.painted.length >= count, run));
    }
    const { echo, painted } = await page.evaluate(() => ({ echo: window.bench.echo, painted: window.bench.painted }));
    figures.samples('key_echo', 'ms', echo);
    figures.samples('key_painted', 'ms', painted);
}
