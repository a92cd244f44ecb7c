// What one person's programs do to the others: how long the server takes to answer somebody while another one's terminal attacks the machine.
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { launch } from '../harness/browser.mjs';
import { Person } from '../harness/person.mjs';
import { eventually } from '../harness/process.mjs';
import { percentile } from './figures.mjs';
import { openShell } from './shell.mjs';

const REQUESTS = 1000;
/** Until an attack is in full swing, and until its remains are gone. */
const SWING_MS = 2000;
const REST_MS = 3000;
/** What is typed into the terminal. Each goes on until it is ended, whatever is refused to it. */
const ATTACKS = {
    loops: 'for i in 1 2 3 4 5 6 7 8; do while :; do :; done & done; wait',
    forks: 'while :; do sh -c "b() { b | b & }; b; sleep 1"; done',
    memory: 'while :; do head -c 1000G /dev/zero | tail; done',
    disk: 'while :; do head -c 1000G /dev/zero > full; rm -f full; done',
    files: 'i=0; while :; do mkdir -p d$((i / 1000)) && echo $i > d$((i / 1000))/$i; i=$((i + 1)); done',
    output: 'yes "$(head -c 2000 /dev/zero | tr "\\0" x)"'
};

export async function measureAttack(figures, { stack, email, workspace }) {
    const browser = await launch();
    try {
        const victim = new Person(await browser.newContext(), stack.url, email);
        await victim.logIn();
        fs.writeFileSync(path.join(stack.filesOf(workspace), 'asked.txt'), 'x'.repeat(4000));
        const ask = await asker(victim, `${stack.url}api/v5/workspaces/${workspace}/files/asked.txt`);
        const context = await browser.newContext();
        const attacker = await Person.register(context, stack.url, 'mallory@example.org');
        await ask(REQUESTS);
        tell(figures, 'calm', await ask(REQUESTS));
        for (const [name, command] of Object.entries(ATTACKS)) {
            const attacked = await attacker.workspace(name);
            const shell = await openShell(context, stack.url, attacked);
            await attack(shell, command);
            await delay(SWING_MS);
            tell(figures, name, await ask(REQUESTS));
            await shell.close();
            // Its sandbox ends with it.
            await attacker.call('DELETE', `workspaces/${attacked}`);
            await delay(REST_MS);
        }
        tell(figures, 'after', await ask(REQUESTS));
    } finally { await browser.close(); }
}

function tell(figures, name, samples) {
    figures.samples(`answer_${name}`, 'ms', samples);
    figures.value(`answer_${name}_p99`, 'ms', percentile(samples, 99));
}

/** Asks for a file so many times, one after the other, and answers how long each took. */
async function asker({ context }, url) {
    const cookie = (await context.cookies(url)).map(({ name, value }) => `${name}=${value}`).join('; ');
    return async count => {
        const samples = [];
        for (let asked = 0; asked < count; asked += 1) {
            const begin = performance.now();
            const answer = await fetch(url, { headers: { cookie } });
            const body = await answer.text();
            samples.push(performance.now() - begin);
            if (!answer.ok) { throw new Error(`${answer.status}: ${body}`); }
        }
        return samples;
    };
}

/** Starts it in a terminal whose output a page reads. */
async function attack(shell, command) {
    const id = await shell.evaluate(async () => {
        const { id } = await window.shell.createTerminal({ cols: 80, rows: 24 });
        window.bytes = 0;
        window.shell.attachTerminal(id, 0, data => { window.bytes += data.length; }, undefined).catch(() => undefined);
        return id;
    });
    await eventually('a prompt', () => shell.evaluate(() => window.bytes > 0));
    await shell.evaluate(([id, text]) => window.shell.writeTerminal(id, new TextEncoder().encode(text)), [id, `${command}\n`]);
}
