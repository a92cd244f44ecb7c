// The command-line agents with nothing but what a terminal has for them: its variables and the files in its home. The server knows one local
// model, and nobody has a key of their makers.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../e2e/harness/process.mjs';
import { FILE_TEXT, MODEL, SAY } from './harness/answers.mjs';
import { FOUND, foundTurn } from './harness/agents.mjs';
import { DIRECT, Ground } from './harness/ground.mjs';
import { startTerminal } from './harness/terminal.mjs';

/** The server's own variable with a secret: what runs in a terminal must not see it. */
const MASTER_KEY = Buffer.alloc(32, 7).toString('base64');

let ground, found;
before(async () => {
    if (DIRECT) { return; }
    process.env.CODITECT_MASTER_KEY = MASTER_KEY;
    ground = await Ground.start({ only: 'local' });
    delete process.env.CODITECT_MASTER_KEY;
    found = await look();
});
after(() => ground?.stop());

/** What a terminal has: its variables, and a copy of its home. */
async function look() {
    const { id } = await ground.call('workspaces', { name: 'found', source: { type: 'empty' } });
    const close = await startTerminal(ground.stack.url, ground.session, id, 'env -0 > "$HOME/.told.new" && mv "$HOME/.told.new" "$HOME/.told"; exec sleep 600');
    const home = path.join(ground.stack.data, 'homes', ground.user);
    const told = path.join(home, '.told');
    await eventually('the terminal to tell its variables', () => fs.existsSync(told));
    const all = Object.fromEntries(fs.readFileSync(told, 'utf8').split('\0').filter(Boolean).map(line => line.split(/=(.*)/s).slice(0, 2)));
    fs.rmSync(told);
    assert.ok(all.CODITECT_URL, 'a terminal reaches the server');
    assert.ok(!JSON.stringify(all).includes(MASTER_KEY) && !('CODITECT_MASTER_KEY' in all), 'a terminal does not see the server\'s secrets');
    // From outside of the sandbox the server is elsewhere; all else stays as it was found.
    const [inside, outside] = [all.CODITECT_URL, ground.stack.url.replace(/\/$/, '')];
    const moved = text => text.replaceAll(inside, outside);
    const given = Object.entries(all).filter(([name]) => /^(OPENAI|ANTHROPIC|GOOGLE|GEMINI|CODITECT)_/.test(name));
    const copy = path.join(ground.dir, 'found');
    fs.cpSync(home, copy, { recursive: true });
    for (const file of ['.codex/config.toml', '.gemini/settings.json', '.config/opencode/opencode.json']) {
        const place = path.join(copy, file);
        fs.writeFileSync(place, moved(fs.readFileSync(place, 'utf8')));
    }
    return { variables: Object.fromEntries(given.map(([name, value]) => [name, moved(value)])), home: copy, close };
}

for (const agent of FOUND) {
    test(`${agent} as it is found in a terminal`, { skip: DIRECT }, async () => {
        const dir = fs.mkdtempSync(path.join(ground.dir, 'agent-'));
        ground.asked('chat');
        const ended = await foundTurn(agent, found, dir, folder => `${SAY.file} ${folder}/made.txt now.`);
        const made = path.join(ended.folder, 'made.txt');
        assert.ok(fs.existsSync(made), JSON.stringify(ended));
        assert.equal(fs.readFileSync(made, 'utf8').trim(), FILE_TEXT);
        const models = ground.asked('chat').filter(({ method }) => method === 'POST').map(({ json }) => json.model);
        assert.ok(models.length > 0 && models.every(model => model === MODEL), models.join());
        const { calls } = await ground.call('llm/calls?limit=100');
        assert.deepEqual(calls.filter(({ outcome }) => outcome !== 'ok'), []);
    });
}
