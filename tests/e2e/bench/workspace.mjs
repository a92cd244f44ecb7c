// Search, picker, watch and git of a large workspace, as a page gets them over the link, beside the programs that a person would run in a
// terminal for the same: `rg`, `fd`, `inotifywait`, `git status`.
import fs from 'node:fs';
import path from 'node:path';
import { execFileSync, spawn } from 'node:child_process';
import { launch } from '../harness/browser.mjs';
import { Person } from '../harness/person.mjs';
import { eventually } from '../harness/process.mjs';
import { Cut } from './cut.mjs';
import { THEIA_RESULTS, measureDesk } from './desk.mjs';
import { percentile } from './figures.mjs';
import { epoch } from './machine.mjs';
import { measurePeersAtWork } from './peers.mjs';
import { measureOurCrowds } from './people.mjs';
import { openShell } from './shell.mjs';
import { COMMON, NEEDLE, makeSources, makeWide } from './trees.mjs';
import { Visitor } from './usable.mjs';

const SOURCES = 50_000;
const PATHS = 200_000;
const SEARCH_RUNS = 15;
const EVENT_RUNS = 100;
const STATUS_RUNS = 10;
/** Before: files that another user made are compared once, by both. */
const STATUS_WARMING = 5;
/** Between two changes: longer than they are gathered for. */
const EVENT_REST_MS = 120;
const TERMINAL = 'command line';
const MANY = 10_000_000;
/** What somebody types into the picker, each key a question. */
const TYPED = ['sessionwriter', 'crates/queue', 'tokval', 'WatcherTest', 'README', 'json'];

const SEARCHES = [
    { name: 'search_rare', query: NEEDLE.text, regex: false },
    { name: 'search_regex', query: COMMON.regex, regex: true },
    { name: 'search_common', query: COMMON.text, regex: false }
];

export async function measureWorkspace(figures, { stack, email, peers }) {
    let folder;
    const browser = await launch();
    try {
        const context = await browser.newContext();
        const person = new Person(context, stack.url, email);
        await person.logIn();
        const open = async (name, make) => {
            const id = await person.workspace(name);
            const dir = stack.filesOf(id);
            make(dir);
            return { id, dir, shell: await openShell(context, stack.url, id) };
        };
        const sources = await open('sources', dir => makeSources(dir, SOURCES));
        await measureSearch(figures, sources);
        await measureStatus(figures, sources);
        await sources.shell.close();
        await measureOurDesk(figures, stack, email, sources);
        folder = sources.dir;
        const wide = await open('wide', dir => makeWide(dir, PATHS));
        await measurePicker(figures, wide);
        await measureEvents(figures, wide);
        await wide.shell.close();
    } finally { await browser.close(); }
    await measureOurCrowds(figures, { stack });
    if (peers) { await measurePeersAtWork(figures, folder); }
}

async function measureOurDesk(figures, stack, email, { id, dir }) {
    const network = await Cut.before(Number(new URL(stack.url).port));
    const browser = await launch();
    try {
        const visitor = await Visitor.in(browser, network);
        await new Person(visitor.context, network.url, email).logIn();
        await visitor.visit(`${network.url}theia/?workspace=${id}`);
        await measureDesk(figures, { page: visitor.page, dir, results: THEIA_RESULTS });
    } finally {
        await browser.close();
        await network.stop();
    }
}

/** In turns, so that both meet the same machine. */
async function measureSearch(figures, { shell, dir }) {
    for (const { name, query, regex } of SEARCHES) {
        const ours = [], first = [], theirs = [], theirFirst = [];
        // The first of each brings the files into memory for both.
        for (let run = -1; run < SEARCH_RUNS; run += 1) {
            const found = await shell.evaluate(search, { query, regex, case_sensitive: true, max_matches: MANY });
            const rg = await runRg(dir, query, regex);
            if (found.matches !== rg.lines) { throw new Error(`${name}: ${found.matches} matches, rg has ${rg.lines}`); }
            if (run < 0) { continue; }
            ours.push(found.ms);
            first.push(found.first);
            theirs.push(rg.ms);
            theirFirst.push(rg.first);
        }
        figures.samples(name, 'ms', ours);
        figures.samples(name, 'ms', theirs, TERMINAL);
        figures.samples(`${name}_first`, 'ms', first);
        figures.samples(`${name}_first`, 'ms', theirFirst, TERMINAL);
        figures.value(`${name}_ratio`, 'x rg', percentile(ours, 50) / percentile(theirs, 50));
    }
}

/** Runs in the page. */
async function search(query) {
    const begin = performance.now();
    let first;
    const summary = await window.shell.searchText(query, () => { first ??= performance.now() - begin; }, undefined);
    return { ms: performance.now() - begin, first: first ?? null, matches: Number(summary.matches) };
}

/** Lines with matches, all told to us. */
function runRg(dir, query, regex) {
    const begin = performance.now();
    const child = spawn('rg', ['--no-config', '--only-matching', '--line-number', '--column', ...regex ? [] : ['--fixed-strings'], '--regexp', query, '.'], { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'] });
    let first, lines = 0;
    return new Promise((resolve, reject) => {
        child.on('error', reject);
        child.stdout.on('data', data => {
            first ??= performance.now() - begin;
            for (let at = data.indexOf(10); at !== -1; at = data.indexOf(10, at + 1)) { lines += 1; }
        });
        child.on('close', () => resolve({ ms: performance.now() - begin, first, lines }));
    });
}

/** The other one has a copy: who comes second would read what the first has just put in order. */
async function measureStatus(figures, { shell, dir }) {
    const copy = fs.mkdtempSync(`${dir}-copy`);
    execFileSync('cp', ['--archive', `${dir}/.`, copy]);
    const ours = [], theirs = [];
    for (let run = -STATUS_WARMING; run < STATUS_RUNS; run += 1) {
        for (const each of [dir, copy]) { fs.writeFileSync(path.join(each, 'README.md'), `${run}\n`); }
        const own = await shell.evaluate(async () => {
            const begin = performance.now();
            await window.shell.git('', 'status', () => undefined, undefined);
            return performance.now() - begin;
        });
        const begin = performance.now();
        execFileSync('git', ['status', '--porcelain=v2', '--branch'], { cwd: copy, stdio: 'pipe' });
        if (run >= 0) {
            ours.push(own);
            theirs.push(performance.now() - begin);
        }
    }
    figures.samples('git_status', 'ms', ours);
    figures.samples('git_status', 'ms', theirs, TERMINAL);
    fs.rmSync(copy, { recursive: true });
}

async function measurePicker(figures, { shell, dir }) {
    const asked = TYPED.flatMap(text => Array.from(text, (_, index) => text.slice(0, index + 1)));
    const { first, keys } = await shell.evaluate(async patterns => {
        const ask = async pattern => {
            const begin = performance.now();
            await window.shell.findFiles({ pattern, fuzzy: true, limit: 100, use_ignore_files: true }, undefined);
            return performance.now() - begin;
        };
        const first = await ask('');
        const keys = [];
        for (const pattern of patterns) { keys.push(await ask(pattern)); }
        return { first, keys };
    }, asked);
    figures.value('picker_first', 'ms', first);
    figures.samples('picker_key', 'ms', keys);
    figures.value('picker_key_p95', 'ms', percentile(keys, 95));
    const theirs = TYPED.map(text => {
        const begin = performance.now();
        // Ends with 1 where it finds nothing.
        try { execFileSync('fdfind', ['--type', 'f', '--fixed-strings', text], { cwd: dir, stdio: 'pipe', maxBuffer: MANY * 10 }); } catch { /* Nothing found. */ }
        return performance.now() - begin;
    });
    figures.samples('picker_key', 'ms', theirs, TERMINAL);
}

/** From a change on the disk until the page is told. */
async function measureEvents(figures, { shell, dir }) {
    await shell.evaluate(async () => {
        // A page that has read nothing is told of nothing that could have changed before the watch stood.
        const { paths: [known] } = await window.shell.findFiles({ pattern: 'queue', limit: 1, use_ignore_files: true }, undefined);
        await window.shell.stat(known);
        window.told = new Map();
        await new Promise(resolve => {
            window.watch = window.shell.onChanges(event => {
                const at = performance.timeOrigin + performance.now();
                if (event.type === 'rescan' && known.startsWith(event.path)) { resolve(); }
                for (const { path } of event.changes ?? []) { window.told.set(path.slice(path.lastIndexOf('/') + 1), at); }
            });
        });
    });
    const ours = await changes(dir, 'ours', name => eventually('the page to be told', () => shell.evaluate(name => window.told.get(name), name)));
    figures.samples('watch_event', 'ms', ours);
    figures.value('watch_event_p95', 'ms', percentile(ours, 95));

    const child = spawn('inotifywait', ['--monitor', '--recursive', '--event', 'close_write', '--format', '%f', dir], { stdio: ['ignore', 'pipe', 'pipe'] });
    try {
        const told = new Map();
        child.stdout.on('data', data => { for (const name of String(data).split('\n')) { told.set(name, epoch()); } });
        await new Promise((resolve, reject) => {
            child.on('error', reject);
            child.stderr.on('data', data => { if (String(data).includes('established')) { resolve(); } });
        });
        figures.samples('watch_event', 'ms', await changes(dir, 'theirs', name => eventually('inotifywait', () => told.get(name))), TERMINAL);
    } finally { child.kill('SIGKILL'); }
}

async function changes(dir, prefix, told) {
    const folders = fs.readdirSync(path.join(dir, 'crates'));
    const samples = [];
    for (let run = 0; run < EVENT_RUNS; run += 1) {
        const name = `${prefix}-${run}`;
        const begin = epoch();
        fs.writeFileSync(path.join(dir, 'crates', folders[run % folders.length], name), 'x');
        samples.push(await told(name) - begin);
        await new Promise(resolve => setTimeout(resolve, EVENT_REST_MS));
    }
    return samples;
}
