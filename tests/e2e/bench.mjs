// Our figures, their goals, and the same of others on the same machine in the same run.
//
//   node bench.mjs [start] [memory] [ide] [reconnect] [trips] [workspace] [attack] [--peers] [--no-gate]
//
// Everything is measured unless something is named; a missed goal ends it with 1, unless --no-gate is there. The parts are found like those
// of the tests (harness/stack.mjs); for fair figures the server is built with optimisation and the static files have their compressed copies
// beside them. Figures go to standard output as lines of JSON, then as a table.
import fs from 'node:fs';
import path from 'node:path';
import { launch } from './harness/browser.mjs';
import { Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack, parts } from './harness/stack.mjs';
import { measureAttack } from './bench/attack.mjs';
import { Figures } from './bench/figures.mjs';
import { measureOurIde } from './bench/ide.mjs';
import { measureReconnect, measureTrips } from './bench/link.mjs';
import { conditions } from './bench/machine.mjs';
import { measurePeers } from './bench/peers.mjs';
import { measureMemory, measureStart } from './bench/server.mjs';
import { measureWorkspace } from './bench/workspace.mjs';

const MEASURES = { start: measureStart, memory: measureMemory, ide: measureOurIde, trips: measureTrips, reconnect: measureReconnect, workspace: measureWorkspace, attack: measureAttack };
/** What is compared as an IDE that starts; a large workspace has peers of its own. */
const STARTS = ['start', 'memory', 'ide'];

const words = process.argv.slice(2);
const peers = words.includes('--peers');
const gate = !words.includes('--no-gate');
const named = words.filter(word => word !== '--peers' && word !== '--no-gate');
const unknown = named.filter(word => !Object.hasOwn(MEASURES, word));
if (unknown.length > 0) {
    console.error(`bench.mjs: nothing is called ${unknown.join(', ')}; there are ${Object.keys(MEASURES).join(', ')} and --peers, --no-gate`);
    process.exit(2);
}
const figures = new Figures();
await measure(named.length > 0 ? named : Object.keys(MEASURES));
console.log(`\n${figures.table()}`);
const missed = figures.missed();
if (gate && missed.length > 0) {
    console.error(`bench.mjs: missed: ${missed.join('; ')} (--no-gate measures without judging)`);
    process.exitCode = 1;
}

async function measure(what) {
    console.log(JSON.stringify({ conditions: { ...conditions(), server: parts.server, server_mb: fs.statSync(parts.server).size / 1e6, compressed: compressed() } }));
    const stack = await Stack.start({ log: 'info' });
    try {
        const repository = stack.makeRepository('bench');
        const browser = await launch();
        const context = await browser.newContext();
        const person = await Person.register(context, stack.url, 'ada@example.org');
        const { id: workspace } = await person.call('POST', 'workspaces', { source: { type: 'git', url: repository } });
        await eventually('the workspace to be ready', async () => (await person.call('GET', `workspaces/${workspace}`)).state.type === 'ready');
        await browser.close();
        for (const name of Object.keys(MEASURES).filter(measure => what.includes(measure))) {
            await MEASURES[name](figures, { stack, email: person.email, workspace, peers });
        }
        if (peers && STARTS.some(name => what.includes(name))) { await measurePeers(figures, repository); }
    } finally { await stack.stop(); }
}

/** Whether the IDE's files have compressed copies, without which the figures say little. */
function compressed() { return fs.readdirSync(parts.theia).some(name => path.extname(name) === '.br'); }
