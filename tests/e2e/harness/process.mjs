// Child processes of a test: started, waited for, stopped by their id.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import fs from 'node:fs';
import path from 'node:path';

/** Longest wait for a process to be ready or to end, in milliseconds. */
const LIMIT_MS = 30_000;
const POLL_MS = 20;

/** A port that nobody listens on at the moment. */
export function freePort() {
    return new Promise((resolve, reject) => {
        const probe = createServer();
        probe.once('error', reject);
        probe.listen(0, '127.0.0.1', () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

/** Polls until `check` gives something truthy; the error tells what was waited for. */
export async function eventually(what, check, limit = LIMIT_MS) {
    const end = Date.now() + limit;
    let last;
    for (; ;) {
        try {
            const value = await check();
            if (value) { return value; }
            last = undefined;
        } catch (error) { last = error; }
        if (Date.now() > end) { throw new Error(`waited ${limit} ms for ${what}${last ? `: ${last.message}` : ''}`); }
        await new Promise(resolve => setTimeout(resolve, POLL_MS));
    }
}

/** Programs that run; whatever ends the tests, a signal too, ends them. */
const alive = new Set();
process.once('exit', () => alive.forEach(child => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) { process.once(signal, () => process.exit(1)); }

/** One running program, its output in a file. */
export class Process {
    constructor(name, command, args, { logDir, env = {}, cwd } = {}) {
        this.name = name;
        this.logFile = path.join(logDir, `${name}.log`);
        const log = fs.openSync(this.logFile, 'a');
        this.child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env }, cwd });
        this.running = true;
        alive.add(this.child);
        this.ended = new Promise(resolve => {
            const end = outcome => {
                this.running = false;
                alive.delete(this.child);
                resolve(outcome);
            };
            this.child.once('exit', (code, signal) => end({ code, signal }));
            // It could not even be started; then there is no exit.
            this.child.once('error', error => {
                fs.appendFileSync(this.logFile, `${error}\n`);
                if (this.child.pid === undefined) { end({ code: null, signal: null }); }
            });
        });
        fs.closeSync(log);
    }
    get pid() { return this.child.pid; }
    log() { return fs.readFileSync(this.logFile, 'utf8'); }

    /** Waits until `url` answers 2xx. */
    async ready(url) {
        await eventually(`${this.name} at ${url}`, async () => !this.running || (await fetch(url)).ok);
        if (!this.running) { throw new Error(`${this.name} ended: ${this.log().slice(-2000)}`); }
    }
    async stop(signal = 'SIGTERM') {
        if (this.running) { this.child.kill(signal); }
        const timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT_MS);
        const ended = await this.ended;
        clearTimeout(timer);
        return ended;
    }
}
