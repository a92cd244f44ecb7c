// The author of a plugin, with the command that authors use.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PASSWORD } from './person.mjs';

const root = fileURLToPath(new URL('../../../', import.meta.url));
/** Longest that a step of theirs takes, in milliseconds: that of Rust compiles the SDK, that of Python translates CPython. */
const STEP_MS = 600_000;

/** Runs a program to its end and answers what it wrote; a failure shows it. */
export function finish(program, args, { cwd, env = {} }) {
    return new Promise((resolve, reject) => {
        const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'], timeout: STEP_MS });
        let text = '';
        for (const stream of [child.stdout, child.stderr]) { stream.on('data', data => { text += data; }); }
        child.once('error', reject);
        child.once('close', code => code === 0 ? resolve(text) : reject(new Error(`${program} ${args.join(' ')} ended with ${code}:\n${text}`)));
    });
}

/** Somebody who makes plugins below a directory, and publishes them on a server as a person. */
export class Author {
    constructor(dir, person) {
        Object.assign(this, { dir, person, key: path.join(dir, 'key') });
        fs.mkdirSync(dir, { recursive: true });
    }
    /** With a token that may publish, and nothing else but look for workspaces. */
    async begin() {
        const { token } = await this.person.call('POST', 'auth/tokens', { name: 'plugins', scopes: ['plugins', 'workspaces:read'], expires_in_days: 1, password: this.person.password ?? PASSWORD });
        // It stands where a person would put it: in the environment.
        this.env = { CODITECT_SERVER: this.person.url, CODITECT_TOKEN: token, CODITECT_PLUGIN_KEY: this.key };
        await this.do('.', 'key', 'new');
    }
    /** `coditect-plugin` in a folder of theirs. */
    do(folder, ...args) { return finish('coditect-plugin', args, { cwd: path.join(this.dir, folder), env: this.env }); }

    /** Takes an example of the repository, to change it. */
    take(example, name = example) {
        const to = path.join(this.dir, name);
        const isSource = file => !['target', 'node_modules', 'dist', '.coditect'].includes(path.basename(file));
        fs.cpSync(path.join(root, 'plugins/examples', example), to, { recursive: true, filter: isSource });
        const manifest = path.join(to, 'Cargo.toml');
        if (fs.existsSync(manifest)) {
            this.edit(name, 'Cargo.toml', text => text.replace('../../sdk', path.join(root, 'plugins/sdk')));
        }
        return to;
    }
    /** Changes a file of a plugin. */
    edit(folder, file, change) {
        const at = path.join(this.dir, folder, file);
        fs.writeFileSync(at, change(fs.readFileSync(at, 'utf8')));
    }
    publish(folder) { return this.do(folder, 'publish'); }
}
