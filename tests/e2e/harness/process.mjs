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

/** One running program, its output in a file. */
export class Process {
    constructor(name, command, args, { logDir, env = {}, cwd } = {}) {
        this.name = name;
        this.logFile = path.join(logDir, `${name}.log`);
        const log = fs.openSync(this.logFile, 'a');
        this.child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env }, cwd });
        this.ended = new Promise(resolve => this.child.once('exit', (code, signal) => resolve({ code, signal })));
        this.child.once('error', error => fs.appendFileSync(this.logFile, `${error}\n`));
        fs.closeSync(log);
    }
    get pid() { return this.child.pid; }
    get running() { return this.child.exitCode === null && this.child.signalCode === null; }
    log() { return fs.readFileSync(this.logFile, 'utf8'); }

    /** Waits until `url` answers 2xx. */
    async ready(url) {
        await eventually(`${this.name} at ${url}`, async () => {
            if (!this.running) { throw new Error(`${this.name} ended: ${this.log().slice(-2000)}`); }
            return (await fetch(url)).ok;
        });
    }
    async stop(signal = 'SIGTERM') {
        if (this.running) { this.child.kill(signal); }
        const timer = setTimeout(() => this.child.kill('SIGKILL'), LIMIT_MS);
        const ended = await this.ended;
        clearTimeout(timer);
        return ended;
    }
}
