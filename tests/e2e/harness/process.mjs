// Child processes of a test: started, waited for, stopped by their id.
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import fs from 'node:fs';
import path from 'node:path';

/** Longest wait for a process to be ready or to end, in milliseconds. */
const LIMIT_MS = 30_000;
const POLL_MS = 20;

/** The ports that are given out: above those that browsers refuse to talk to. */
const FIRST_PORT = 20_000;
const LAST_PORT = 65_535;
/** How many ports are looked at before there is said to be none. */
const PORT_TRIES = 100;
const given = new Set();

/**
 * A port that nobody listens on at the moment, each only once. The system gives none of them to a connection that goes out, so that a server
 * which is stopped finds its port free when it is started again.
 */
export async function freePort() {
    const [first, last] = outgoingPorts();
    const below = Math.max(0, Math.min(first, LAST_PORT + 1) - FIRST_PORT);
    const above = Math.max(0, LAST_PORT - Math.max(last, FIRST_PORT - 1));
    for (let tried = 0; tried < PORT_TRIES; tried++) {
        const at = Math.floor(Math.random() * (below + above));
        const port = at < below ? FIRST_PORT + at : LAST_PORT - (at - below);
        if (!given.has(port) && await canListen(port)) {
            given.add(port);
            return port;
        }
    }
    throw new Error(`no free port outside of ${first} to ${last}, which the system keeps for connections that go out`);
}

/** First and last port for connections that go out; elsewhere than on Linux those that the standard names. */
function outgoingPorts() {
    const file = '/proc/sys/net/ipv4/ip_local_port_range';
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').trim().split(/\s+/).map(Number) : [49_152, 65_535];
}

function canListen(port) {
    return new Promise(resolve => {
        const probe = createServer();
        probe.once('error', () => resolve(false));
        probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
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

/** Whether a process is there and has not ended. */
export function isAlive(pid) {
    try {
        return !/^State:\s+[ZX]/m.test(fs.readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch { return false; }
}

/** How much of a process is in memory, in bytes. */
export function residentBytes(pid) {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** Programs that run; whatever ends the tests, a signal too, ends them. */
const alive = new Set();
process.once('exit', () => alive.forEach(killGroup));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) { process.once(signal, () => process.exit(1)); }

/** Ends what a program left behind, too: nginx has workers, others fork. */
function killGroup({ pid }) {
    try {
        process.kill(-pid, 'SIGKILL');
    } catch { /* Nobody is left. */ }
}

/** One running program, its output in a file. */
export class Process {
    constructor(name, command, args, { logDir, env = {}, cwd } = {}) {
        this.name = name;
        this.logFile = path.join(logDir, `${name}.log`);
        const log = fs.openSync(this.logFile, 'a');
        this.child = spawn(command, args, { stdio: ['ignore', log, log], env: { ...process.env, ...env }, cwd, detached: true });
        this.running = true;
        alive.add(this.child);
        this.ended = new Promise(resolve => {
            const end = outcome => {
                this.running = false;
                alive.delete(this.child);
                if (this.child.pid !== undefined) { killGroup(this.child); }
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
        const timer = setTimeout(() => killGroup(this.child), LIMIT_MS);
        const ended = await this.ended;
        clearTimeout(timer);
        return ended;
    }
}
