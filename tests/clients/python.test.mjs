// The Python libraries of the dialects' owners. Each script plays all of its scenes and tells how they went.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CITIES, JSON_ANSWER, RETRY_AFTER, SAY, SENTENCE, THOUGHT, USAGE, VECTOR } from './harness/answers.mjs';
import { DIALECTS, FORM, MAX_TOKENS, PARAMETERS } from './harness/doors.mjs';
import { DIRECT, Ground } from './harness/ground.mjs';

/** Where the libraries are; xtask installs them. Without it they must be where Python finds them by itself. */
const LIBRARIES = path.resolve(process.env.CODITECT_CLIENTS_PYTHON ?? '.');
const SCRIPTS = fileURLToPath(new URL('python/', import.meta.url));
/** Each script with the dialect of its door. */
const DOORS = { openai_chat: 'chat', openai_responses: 'responses', anthropic_messages: 'anthropic', google_genai: 'gemini' };
/** Longest that a script may take for all of its scenes, in milliseconds. */
const SCRIPT_MS = 90_000;
/** Upstreams that have embeddings. */
const EMBEDDING = ['chat', 'responses', 'gemini'];

let ground;
before(async () => { ground = await Ground.start(); });
after(() => ground?.stop());

/** Runs a script and answers how each of its scenes went, and how it ended. */
async function play(script, upstreams) {
    const words = {
        say: SAY, sentence: SENTENCE, thought: THOUGHT, cities: CITIES, json_answer: JSON_ANSWER, usage: USAGE, vector: VECTOR, retry_after: RETRY_AFTER,
        max_tokens: MAX_TOKENS, parameters: PARAMETERS, form: FORM, places: Object.fromEntries(upstreams.map(upstream => [upstream, ground.place(upstream)])),
    };
    const env = { ...process.env, PYTHONPATH: LIBRARIES };
    const python = spawn('python3', ['-B', `${script}.py`], { cwd: SCRIPTS, env, stdio: ['pipe', 'pipe', 'inherit'], timeout: SCRIPT_MS });
    const ended = new Promise((resolve, reject) => python.once('exit', (code, signal) => resolve(signal ?? code)).once('error', reject));
    python.stdin.end(JSON.stringify(words));
    let out = '';
    for await (const part of python.stdout) { out += part; }
    return { outcomes: out.split('\n').filter(Boolean).map(line => JSON.parse(line)), ended: await ended };
}

for (const [script, dialect] of Object.entries(DOORS)) {
    test(script, async t => {
        const upstreams = DIRECT ? [dialect] : DIALECTS;
        const { outcomes, ended } = await play(script, upstreams);
        for (const { name, why } of outcomes) { await t.test(name, () => assert.equal(why, null)); }
        assert.equal(ended, 0, 'the script came to its end');
        for (const upstream of upstreams) {
            await t.test(`the upstream ${upstream} is left when the client leaves`, async () => {
                const seen = await ground.taps[upstream].closed(({ body }) => body.includes(SAY.slow));
                assert.ok(seen.left);
                ground.asked(upstream);
            });
        }
    });
}

test('embeddings', async t => {
    const { outcomes, ended } = await play('embeddings', EMBEDDING);
    // Without a gateway each library can only be asked at an upstream of its own dialect.
    const own = ({ name }) => !DIRECT || name.startsWith('google') === name.endsWith('gemini');
    for (const { name, why } of outcomes.filter(own)) { await t.test(name, () => assert.equal(why, null)); }
    assert.equal(ended, 0, 'the script came to its end');
});
