// The command-line agents, each with a home of its own, told by its documented variables and files where the gateway is.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const installed = name => fileURLToPath(new URL(`../node_modules/${name}`, import.meta.url));
/** Longest that an agent may take for its turn, in milliseconds. */
const TURN_MS = 30_000;
const OUTPUT_BYTES = 16 * 1024 * 1024;

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

/** Lets an agent do its turn in `dir`, where its home and its folder are made. It must end well, and want nothing of the internet. */
export async function turn(agent, place, dir, say) {
    const [home, folder] = ['home', 'folder'].map(name => path.join(dir, name));
    [home, folder, path.join(home, 'tmp')].forEach(made => fs.mkdirSync(made, { recursive: true }));
    const trap = await Trap.start();
    const { program, native, args, env } = AGENTS[agent].command(place, { home, prompt: say(folder) });
    const own = {
        PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`, HOME: home, TMPDIR: path.join(home, 'tmp'), LANG: 'C.UTF-8', TERM: 'dumb', NO_COLOR: '1',
        ...Object.fromEntries(['CONFIG', 'DATA', 'STATE', 'CACHE'].map(kind => [`XDG_${kind}_HOME`, path.join(home, `.${kind.toLowerCase()}`)])), ...trap.variables, ...env,
    };
    try {
        const ended = await run(native ? program : process.execPath, native ? args : [program, ...args], { cwd: folder, env: own });
        assert.equal(ended.code, 0, `${agent} ended badly: ${JSON.stringify(ended)}`);
        assert.deepEqual(trap.wanted, [], `${agent} wants nothing of the internet`);
        return { ...ended, folder };
    } finally { await trap.stop(); }
}

/** Runs a program to its end, in a group that ends with it. */
function run(program, args, { cwd, env }) {
    return new Promise(resolve => {
        const child = execFile(program, args, { cwd, env, timeout: TURN_MS, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES }, (error, stdout, stderr) => {
            resolve({ code: error ? error.code ?? error.signal : 0, stdout, stderr });
        });
        // Some wait for more to read.
        child.stdin.end();
    });
}
