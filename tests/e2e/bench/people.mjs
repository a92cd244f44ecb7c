// What people who are connected cost the server in memory: 1, 10 and 50 of them, each with an IDE open and nothing running in it.
import { setTimeout as delay } from 'node:timers/promises';
import os from 'node:os';
import { launch } from '../harness/browser.mjs';
import { Person } from '../harness/person.mjs';
import { Cut } from './cut.mjs';
import { ownMb, sharedOnceMb } from './machine.mjs';
import { Visitor } from './usable.mjs';

const CROWDS = [1, 10, 50];
const REST_MS = 5000;
/** So many pages share a browser: it gets slow with more. */
const PAGES_IN_BROWSER = 10;
/** The machine must have this left for the next ones. */
const LEAST_FREE_BYTES = 3e9;

/**
 * `arrive(visitor, index)` brings a page to the IDE; `pids` are the processes at rest. Told is what all processes take, and for each person
 * how much those grew that were there at rest: what git, terminals and language servers take is not the product's.
 */
export async function measureCrowds(figures, { port, pids, signs, arrive, who = 'ours' }) {
    const network = await Cut.before(port);
    const browsers = [];
    const own = () => ownMb(...pids());
    const before = own();
    let there = 0;
    try {
        for (const crowd of CROWDS) {
            for (; there < crowd && os.freemem() > LEAST_FREE_BYTES; there += 1) {
                if (there % PAGES_IN_BROWSER === 0) { browsers.push(await launch()); }
                const visitor = await Visitor.in(browsers.at(-1), network, signs);
                await arrive(visitor, there, network.url);
            }
            if (there < crowd) {
                console.log(`${who}: this machine has no memory for ${crowd} people's pages`);
                return;
            }
            await delay(REST_MS);
            figures.value(`people_${crowd}`, 'MB', sharedOnceMb(...pids()), who);
            figures.value('people_each', 'MB', Math.max(0, own() - before) / there, who);
        }
    } finally {
        for (const browser of browsers) { await browser.close(); }
        await network.stop();
    }
}

/** Ours: each with an account and a workspace of their own. */
export async function measureOurCrowds(figures, { stack }) {
    await stack.server.stop();
    await stack.startServer();
    await delay(REST_MS);
    await measureCrowds(figures, {
        port: Number(new URL(stack.url).port), pids: () => stack.processes(),
        arrive: async (visitor, index, url) => {
            const person = await Person.register(visitor.context, url, `crowd-${index}@example.org`);
            const id = await person.workspace('crowd');
            await person.ask('PUT', `workspaces/${id}/files/readme.txt`, 'x', { 'if-none-match': '*' });
            await visitor.visit(person.ideUrl(id));
        }
    });
}
