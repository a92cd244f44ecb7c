// The IDE in a browser that never saw it, and in one that knows it.
import { setTimeout as delay } from 'node:timers/promises';
import { launch } from '../harness/browser.mjs';
import { Person } from '../harness/person.mjs';
import { Cut } from './cut.mjs';
import { Visitor } from './usable.mjs';

const RUNS = 5;
/** A browser that was just started is busy with itself for a while. */
const BROWSER_CALM_MS = 1000;

/** Visits the page at `url` with new browsers, after `prepare(context, url)`; `signs` show that it is usable. */
export async function measureIde(figures, url, { who, signs, prepare = async () => undefined }) {
    const cold = [], settled = [], warm = [];
    const network = await Cut.before(Number(new URL(url).port));
    const address = new URL(url.slice(new URL(url).origin.length + 1), network.url).href;
    try {
        for (let run = 0; run < RUNS; run += 1) {
            const browser = await launch();
            try {
                const visitor = await Visitor.in(browser, network, signs);
                await prepare(visitor.context, network.url);
                await delay(BROWSER_CALM_MS);
                cold.push(await visitor.visit(address));
                settled.push(await visitor.settledMb());
                // The browser keeps compiled code from the second visit on: the third is what every later one is like.
                await visitor.visit(address);
                await visitor.settledMb();
                warm.push(await visitor.visit(address));
                if (who === 'ours' && visitor.faults.errors.length > 0) { throw new Error(visitor.faults.errors[0]); }
            } finally { await browser.close(); }
        }
    } finally { await network.stop(); }
    figures.samples('ide_usable_cold', 'ms', cold.map(({ ms }) => ms), who);
    figures.samples('ide_cpu_cold', 'ms', cold.map(({ cpu }) => cpu), who);
    figures.samples('ide_bytes_cold', 'MB', cold.map(({ mb }) => mb), who);
    figures.samples('ide_requests_cold', 'requests', cold.map(({ requests }) => requests), who);
    figures.samples('ide_bytes_settled', 'MB', settled, who);
    figures.samples('ide_usable_warm', 'ms', warm.map(({ ms }) => ms), who);
    figures.samples('ide_cpu_warm', 'ms', warm.map(({ cpu }) => cpu), who);
    figures.samples('ide_bytes_warm', 'MB', warm.map(({ mb }) => mb), who);
}

/** Ours, through nginx, with the sources of a real project open. */
export async function measureOurIde(figures, { stack, email, workspace }) {
    const prepare = (context, url) => new Person(context, url, email).logIn();
    await measureIde(figures, `${stack.url}theia/?workspace=${workspace}`, { who: 'ours', prepare });
}
