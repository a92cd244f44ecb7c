// The product as an operator runs it: the server behind nginx, with the real model server where there is one.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Process, eventually, freePort, isAlive } from './process.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const given = (name, fallback) => process.env[`CODITECT_E2E_${name}`] ?? path.join(root, fallback);

/** Where the parts under test are; xtask names them. */
export const parts = {
    server: given('BIN', 'target/debug/coditect-v5-api'),
    web: given('WEB', 'web/dist'),
    theia: given('THEIA', 'theia-app/app/lib/frontend'),
    nginx: process.env.CODITECT_E2E_NGINX ?? 'nginx',
    nginxTemplate: given('NGINX_TEMPLATE', 'nginx/coditect.conf.template'),
    /** Base URL of a running model server; empty where none could be had. */
    model: process.env.CODITECT_E2E_MODEL ?? '',
    results: given('RESULTS', 'tests/e2e/results'),
};

/** The least number of files, not reached, of a repository that is made for a test. */
export const REPOSITORY_FILES = 3000;

/** Most that git may write at once, in bytes. */
const GIT_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Of whom commits are, and nothing that goes on in the background when git has ended: it would be measured too, and outlive the test. */
const GIT_SETTINGS = ['user.name=Test', 'user.email=test@example.org', 'gc.auto=0', 'maintenance.auto=false'].flatMap(setting => ['-c', setting]);

/** Runs git in a directory and answers what it writes. */
export function git(dir, ...args) {
    return execFileSync('git', [...GIT_SETTINGS, ...args], { cwd: dir, stdio: 'pipe', encoding: 'utf8', maxBuffer: GIT_OUTPUT_BYTES });
}

/** Commits all that is in a directory; it becomes a repository if it is none. */
export function commit(dir, message) {
    if (!fs.existsSync(path.join(dir, '.git'))) { git(dir, 'init', '-q', '-b', 'main'); }
    git(dir, 'add', '-A', '-f');
    git(dir, 'commit', '-q', '-m', message);
}

export const trackedFiles = dir => git(dir, 'ls-files', '-z').split('\0').filter(Boolean);

/** Server and nginx over one data directory. */
export class Stack {
    /**
     * `upstreams` are the model servers (`NAME=URL`), by default the real one where there is one; `data` is a directory to use instead of a
     * new one; `log` is how much the server tells. What was started is stopped again if a later part fails.
     */
    static async start({ flags = [], nginx = true, upstreams = parts.model ? [`local=${parts.model}`] : [], data, log = 'info,coditect_api=debug' } = {}) {
        const stack = new Stack();
        stack.log = log;
        stack.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-e2e-'));
        // For a run that is cut short; otherwise `stop` was there before.
        process.once('exit', () => {
            if (stack.data && stack.supervisor !== undefined && isAlive(stack.supervisor)) { process.kill(stack.supervisor, 'SIGKILL'); }
            fs.rmSync(stack.dir, { recursive: true, force: true });
        });
        try {
            stack.data = data ?? path.join(stack.dir, 'data');
            stack.imports = path.join(stack.dir, 'imports');
            fs.mkdirSync(stack.imports, { recursive: true });
            stack.port = await freePort();
            stack.flags = [...flags, ...upstreams.flatMap(upstream => ['--llm-upstream', upstream])];
            await stack.startServer();
            stack.url = stack.direct;
            if (nginx) { await stack.startNginx(); }
        } catch (error) {
            await stack.stop();
            throw error;
        }
        return stack;
    }
    get direct() { return `http://127.0.0.1:${this.port}/`; }

    async startServer() {
        const flags = ['serve', '--listen', `127.0.0.1:${this.port}`, '--data', this.data, '--web-dir', parts.web, '--theia-dir', parts.theia,
            '--import-path', this.imports, '--llm-discover', 'false', '--log', this.log];
        this.server = new Process('server', parts.server, [...flags, ...this.flags], { logDir: this.dir });
        await this.server.ready(`${this.direct}health`);
    }
    async startNginx() {
        const port = await freePort();
        const prefix = path.join(this.dir, 'nginx');
        fs.mkdirSync(prefix, { recursive: true });
        const values = { LISTEN: `127.0.0.1:${port}`, UPSTREAM: `127.0.0.1:${this.port}`, PREFIX: prefix, MAX_BODY: '4g' };
        const text = fs.readFileSync(parts.nginxTemplate, 'utf8').replace(/\$\{(\w+)\}/g, (whole, name) => values[name.replace(/^CODITECT_(NGINX_)?/, '')] ?? whole);
        const conf = path.join(prefix, 'nginx.conf');
        fs.writeFileSync(conf, text);
        this.nginx = new Process('nginx', parts.nginx, ['-e', path.join(prefix, 'error.log'), '-p', prefix, '-c', conf, '-g', 'daemon off;'], { logDir: this.dir });
        this.url = `http://127.0.0.1:${port}/`;
        await this.nginx.ready(`${this.url}health`);
    }
    /** Kills the server without warning and starts it again over the same data. */
    async killAndRestart() {
        await this.server.stop('SIGKILL');
        await this.startServer();
    }
    /** Cuts every connection through nginx, which takes new ones at once. */
    async cutConnections() {
        const { pid } = this.nginx;
        const workers = () => fs.readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
        const before = workers();
        before.forEach(worker => process.kill(worker, 'SIGKILL'));
        await eventually('nginx to go on', () => workers().some(worker => !before.includes(worker)));
    }
    /** The process that holds people's terminals, where there is one: it outlives the server. */
    get supervisor() {
        const file = path.join(this.data, 'run/supervisor.json');
        return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).pid : undefined;
    }
    /** Ids of the processes that make up the product. */
    processes() { return [this.server.pid, this.supervisor].filter(pid => pid !== undefined && isAlive(pid)); }

    async stop() {
        const [ended] = await Promise.all([this.server?.stop(), this.nginx?.stop('SIGQUIT')]);
        const { supervisor } = this;
        if (supervisor !== undefined && isAlive(supervisor)) {
            process.kill(supervisor, 'SIGTERM');
            await eventually('the terminals to end', () => !isAlive(supervisor));
        }
        fs.rmSync(this.dir, { recursive: true, force: true });
        return ended;
    }

    /** A real git repository of more than {@link REPOSITORY_FILES} files, the sources and types of the IDE's own packages, and two commits. */
    makeRepository(name) {
        const dir = path.join(this.imports, name);
        const from = path.join(root, 'theia-app/node_modules/@theia');
        const isSource = file => !/\.(js|map)$/.test(file) && path.basename(file) !== 'node_modules';
        for (const pkg of fs.readdirSync(from).filter(pkg => fs.existsSync(path.join(from, pkg, 'src')))) {
            fs.cpSync(path.join(from, pkg), path.join(dir, 'packages', pkg), { recursive: true, filter: isSource });
        }
        fs.writeFileSync(path.join(dir, 'README.md'), '# A repository of some thousand files\n\nThe needle is here: quokka-4711.\n');
        commit(dir, 'first');
        fs.writeFileSync(path.join(dir, 'hello.py'), 'def greet(name):\n    return f"hello {name}"\n\nprint(greet("world"))\n');
        commit(dir, 'second');
        const files = trackedFiles(dir).length;
        assert.ok(files > REPOSITORY_FILES, `the repository has only ${files} files`);
        return dir;
    }
    /** Directory on the disk of a workspace's files. */
    filesOf(workspaceId) { return path.join(this.data, 'workspaces', workspaceId, 'files'); }

    /** Writes the IDE's settings of a person before they open it. */
    writeSettings(userId, settings) {
        const dir = path.join(this.data, 'homes', userId, '.theia');
        fs.mkdirSync(dir, { recursive: true });
        fs.writeFileSync(path.join(dir, 'settings.json'), JSON.stringify(settings));
    }
}
