// Time, memory and first answers, as exact as can be had.
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';

/** How often something that starts is asked; the error of the measurement. */
const POLL_MS = 1;
const READY_LIMIT_MS = 60_000;
const BYTES_PER_MB = 1e6;

/** Milliseconds since 1970, with fractions: comparable with the same expression in a page of this machine. */
export function epoch() { return performance.timeOrigin + performance.now(); }

/** Waits for the first 200 of an address that nobody may listen on yet; answers when that was. */
export async function firstAnswer(url) {
    const limit = epoch() + READY_LIMIT_MS;
    while (await status(url) !== 200) {
        if (epoch() > limit) { throw new Error(`${url} did not answer within ${READY_LIMIT_MS} ms`); }
        await delay(POLL_MS);
    }
    return epoch();
}

function status(url) {
    return new Promise(resolve => {
        const request = http.get(url, { agent: false, timeout: READY_LIMIT_MS }, response => {
            response.resume();
            resolve(response.statusCode);
        });
        request.on('error', () => resolve(undefined));
    });
}

/** Resident memory of processes and all their descendants, each counted once, in MB. */
export function residentMb(...pids) { return sumMb(pids.flatMap(tree), residentBytes); }

/** Resident memory of processes alone, without what they started, in MB. */
export function ownMb(...pids) { return sumMb(pids, residentBytes); }

/** Memory of processes and all their descendants, in MB; what several share counts once, however many they are. */
export function sharedOnceMb(...pids) { return sumMb(pids.flatMap(tree), proportionalBytes); }

function sumMb(pids, bytesOf) { return [...new Set(pids)].reduce((sum, pid) => sum + bytesOf(pid), 0) / BYTES_PER_MB; }

function residentBytes(pid) { return told(`/proc/${pid}/status`, /^VmRSS:\s+(\d+) kB$/m); }

function proportionalBytes(pid) { return told(`/proc/${pid}/smaps_rollup`, /^Pss:\s+(\d+) kB$/m); }

/** Nothing where the process has ended. */
function told(file, field) {
    try {
        const [, kilobytes] = field.exec(fs.readFileSync(file, 'utf8')) ?? [0, 0];
        return Number(kilobytes) * 1024;
    } catch { return 0; }
}

function tree(root) {
    const children = new Map();
    for (const name of fs.readdirSync('/proc').filter(entry => /^\d+$/.test(entry))) {
        try {
            const [, parent] = /^PPid:\s+(\d+)$/m.exec(fs.readFileSync(`/proc/${name}/status`, 'utf8'));
            children.set(Number(parent), [...children.get(Number(parent)) ?? [], Number(name)]);
        } catch { /* It ended meanwhile. */ }
    }
    const below = pid => [pid, ...(children.get(pid) ?? []).flatMap(below)];
    return below(root);
}

/** Under what the figures were taken. */
export function conditions() {
    const [cpu] = os.cpus();
    return {
        cores: os.availableParallelism(), cpu: cpu?.model, memory_gb: Math.round(os.totalmem() / 1e9), kernel: os.release(),
        node: process.version, load_before: Number(os.loadavg()[0].toFixed(2))
    };
}
