// The command-line agents, each with a home of its own, told by its documented variables and files where the gateway is.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const installed = name => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));
/** Longest that an agent may take for its turn, in milliseconds. */
const TURN_MS = 30_000;
/** Most of its output that is kept, in characters. */
const OUTPUT_CHARS = 16 * 1024 * 1024;

/** A place that an agent believes to be its way into the internet: what it wants there is kept, and nothing is given. */
export class Trap {
    static async start() {
        const trap = new Trap();
        trap.wanted = [];
        trap.server = createServer(socket => {
            socket.once('data', data => { trap.wanted.push(data.toString('latin1').split('\r\n')[0]); socket.destroy(); });
            socket.once('error', () => socket.destroy());
        });
        await new Promise(resolve => trap.server.listen(0, '127.0.0.1', resolve));
        return trap;
    }
    get variables() {
        const url = `http://127.0.0.1:${this.server.address().port}`;
        const names = ['HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'];
        const proxies = names.flatMap(name => [[name, url], [name.toLowerCase(), url]]);
        return Object.fromEntries([...proxies, ['NO_PROXY', '127.0.0.1,localhost'], ['no_proxy', '127.0.0.1,localhost']]);
    }
    stop() { return new Promise(resolve => this.server.close(resolve)); }
}

function write(file, content) {
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

const codex = socket => ({
    dialect: 'responses',
    socket,
    command: ({ openai, model, key }, { home, prompt }) => {
        write(path.join(home, '.codex/config.toml'), [
            `model = "${model}"`, 'model_provider = "gateway"', 'check_for_update_on_startup = false', 'web_search = "disabled"',
            '[model_providers.gateway]', 'name = "gateway"', `base_url = "${openai}"`, 'wire_api = "responses"', 'env_key = "GATEWAY_KEY"',
            `supports_websockets = ${socket}`, '[features]', 'plugins = false', 'apps = false', '[analytics]', 'enabled = false',
            '[otel]', 'exporter = "none"', 'metrics_exporter = "none"',
        ].join('\n'));
        // The walls of its own need what a test's machine may lack; what it runs is written by the test.
        const args = ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', '--json', prompt];
        return { program: installed('@openai/codex/bin/codex.js'), args, env: { CODEX_HOME: path.join(home, '.codex'), GATEWAY_KEY: key } };
    },
});

const opencode = (npm, at) => ({
    command: (place, { home, prompt }) => {
        const models = { [place.model]: { name: 'scripted', tool_call: true } };
        const provider = { npm, name: 'gateway', options: { baseURL: at(place), apiKey: '{env:GATEWAY_KEY}' }, models };
        const model = `gateway/${place.model}`;
        const config = path.join(home, '.config/opencode');
        write(path.join(config, 'opencode.json'), {
            provider: { gateway: provider }, model, small_model: model, enabled_providers: ['gateway'], autoupdate: false, share: 'disabled',
            permission: { edit: 'allow', external_directory: 'allow' },
        });
        // Types for plugins, which it would fetch where none are listed.
        fs.mkdirSync(path.join(config, 'node_modules'));
        write(path.join(config, 'package-lock.json'), { packages: { '': { dependencies: { '@opencode-ai/plugin': '*' } } } });
        // Its list of all models, which it would fetch too.
        const list = path.join(home, 'models.json');
        write(list, {});
        return {
            program: installed('opencode-linux-x64-baseline/bin/opencode'), native: true, args: ['run', '--pure', '--format', 'json', prompt],
            env: {
                GATEWAY_KEY: place.key, OPENCODE_MODELS_PATH: list, OPENCODE_DISABLE_MODELS_FETCH: '1', OPENCODE_DISABLE_AUTOUPDATE: '1',
                OPENCODE_DISABLE_LSP_DOWNLOAD: '1', OPENCODE_DISABLE_DEFAULT_PLUGINS: '1', OPENCODE_DISABLE_SHARE: '1',
            },
        };
    },
});

/** Each agent: the dialect of its door, and how it is started at a place with a prompt. */
export const AGENTS = {
    'claude-code': {
        dialect: 'anthropic',
        command: ({ anthropic, model, key }, { home, prompt }) => ({
            program: installed('@anthropic-ai/claude-code/cli-wrapper.cjs'),
            args: ['-p', prompt, '--model', model, '--permission-mode', 'acceptEdits', '--output-format', 'json'],
            env: {
                CLAUDE_CONFIG_DIR: path.join(home, '.claude'), ANTHROPIC_BASE_URL: anthropic, ANTHROPIC_AUTH_TOKEN: key, ANTHROPIC_DEFAULT_HAIKU_MODEL: model,
                CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1', DISABLE_AUTOUPDATER: '1', DISABLE_TELEMETRY: '1', DISABLE_ERROR_REPORTING: '1',
                // It tries again for minutes, also where it is told that its token is not taken.
                CLAUDE_CODE_MAX_RETRIES: '1',
            },
        }),
    },
    'codex over HTTP': codex(false),
    'codex over WebSocket': codex(true),
    'gemini-cli': {
        dialect: 'gemini',
        command: ({ gemini, model, key }, { home, prompt }) => {
            const off = { enableAutoUpdate: false, enableAutoUpdateNotification: false };
            write(path.join(home, '.gemini/settings.json'), {
                security: { auth: { selectedType: 'gemini-api-key' } }, general: off, telemetry: { enabled: false }, privacy: { usageStatisticsEnabled: false },
            });
            return {
                program: installed('@google/gemini-cli/bundle/gemini.js'),
                args: ['-p', prompt, '-m', model, '--approval-mode', 'yolo', '--skip-trust', '--output-format', 'json'],
                env: { GEMINI_API_KEY: key, GOOGLE_GEMINI_BASE_URL: gemini, GEMINI_CLI_NO_RELAUNCH: 'true', GEMINI_TELEMETRY_ENABLED: 'false' },
            };
        },
    },
    'opencode as openai-compatible': { dialect: 'chat', ...opencode('@ai-sdk/openai-compatible', place => place.openai) },
    'opencode as anthropic': { dialect: 'anthropic', ...opencode('@ai-sdk/anthropic', place => `${place.anthropic}/v1`) },
};

/** What every agent finds in its surroundings, whatever else it is told: a home and a folder in `dir`, and no way into the internet. */
function surroundings(dir, trap) {
    const [home, folder] = ['home', 'folder'].map(name => path.join(dir, name));
    [home, folder, path.join(home, 'tmp')].forEach(made => fs.mkdirSync(made, { recursive: true }));
    const env = {
        PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`, HOME: home, TMPDIR: path.join(home, 'tmp'), LANG: 'C.UTF-8', TERM: 'dumb', NO_COLOR: '1',
        ...Object.fromEntries(['CONFIG', 'DATA', 'STATE', 'CACHE'].map(kind => [`XDG_${kind}_HOME`, path.join(home, `.${kind.toLowerCase()}`)])), ...trap.variables,
    };
    return { home, folder, env };
}

/**
 * Starts an agent in `dir`, where its home and its folder are made: `command` tells how. `ended` is how it ends, whatever comes; `stop` sends
 * it a signal as a terminal does, with all that it started.
 */
function start(command, dir, trap) {
    const { home, folder, env } = surroundings(dir, trap);
    const { program, native, args, env: own } = command({ home, folder });
    const child = spawn(native ? program : process.execPath, native ? args : [program, ...args], { cwd: folder, env: { ...env, ...own }, detached: true });
    const out = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr']) {
        child[name].setEncoding('utf8').on('data', text => { if (out[name].length < OUTPUT_CHARS) { out[name] += text; } });
    }
    // Some wait for more to read.
    child.stdin.end();
    const stop = signal => { try { process.kill(-child.pid, signal); } catch { /* It has ended. */ } };
    let hung = false;
    const timer = setTimeout(() => { hung = true; stop('SIGKILL'); }, TURN_MS);
    const ended = new Promise(resolve => child.once('close', (code, signal) => {
        clearTimeout(timer);
        stop('SIGKILL');
        resolve({ code: code ?? signal, hung, folder, ...out });
    }));
    return { ended, stop };
}

/** Lets an agent do its turn in `dir`. It must end well, and want nothing of the internet. */
export async function turn(agent, place, dir, say) {
    const trap = await Trap.start();
    try {
        const ended = await start(({ home, folder }) => AGENTS[agent].command(place, { home, prompt: say(folder) }), dir, trap).ended;
        assert.equal(ended.code, 0, `${agent} ended badly: ${JSON.stringify(ended)}`);
        assert.deepEqual(trap.wanted, [], `${agent} wants nothing of the internet`);
        return ended;
    } finally { await trap.stop(); }
}

/** Lets an agent say something in `dir`, does `meanwhile` with what is under way, and answers how it ended, well or not. It must not hang. */
export async function scene(agent, place, dir, prompt, meanwhile = () => {}) {
    const trap = await Trap.start();
    try {
        const running = start(({ home }) => AGENTS[agent].command(place, { home, prompt }), dir, trap);
        try {
            await meanwhile(running);
        } catch (error) {
            running.stop('SIGKILL');
            throw new Error(`${error.message}: ${JSON.stringify(await running.ended)}`);
        }
        const ended = await running.ended;
        assert.ok(!ended.hung, `${agent} hangs: ${JSON.stringify(ended)}`);
        return ended;
    } finally { await trap.stop(); }
}

/** The agents as somebody starts them in a terminal, who tells them nothing of models. */
const AS_FOUND = {
    'claude-code': prompt => ({ program: installed('@anthropic-ai/claude-code/cli-wrapper.cjs'), args: ['-p', prompt, '--permission-mode', 'acceptEdits'] }),
    codex: prompt => ({
        program: installed('@openai/codex/bin/codex.js'), args: ['exec', '--skip-git-repo-check', '--dangerously-bypass-approvals-and-sandbox', prompt],
    }),
    'gemini-cli': prompt => ({ program: installed('@google/gemini-cli/bundle/gemini.js'), args: ['-p', prompt, '--approval-mode', 'yolo', '--skip-trust'] }),
    opencode: prompt => ({ program: installed('opencode-linux-x64-baseline/bin/opencode'), native: true, args: ['run', prompt] }),
};
export const FOUND = Object.keys(AS_FOUND);

/** Lets an agent do its turn in `dir` with nothing but the variables and the files of a home that it finds. It must end well. */
export async function foundTurn(agent, { variables, home: files }, dir, say) {
    const trap = await Trap.start();
    const command = ({ home, folder }) => {
        fs.cpSync(files, home, { recursive: true });
        // Where these are is a matter of the machine: in a terminal they are below the home, as here.
        const places = Object.fromEntries(['CONFIG', 'DATA', 'STATE', 'CACHE'].map(kind => [`XDG_${kind}_HOME`, undefined]));
        return { ...AS_FOUND[agent](say(folder)), env: { ...places, ...variables } };
    };
    try {
        const ended = await start(command, dir, trap).ended;
        assert.equal(ended.code, 0, `${agent} ended badly: ${JSON.stringify(ended)}`);
        return ended;
    } finally { await trap.stop(); }
}
