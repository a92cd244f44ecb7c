// The command-line agents, as people use them: one turn each, in which the model calls a tool that writes a file.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { AGENT_DONE, FILE_TEXT, SAY } from './harness/answers.mjs';
import { AGENTS, turn } from './harness/agents.mjs';
import { DIRECT, Ground } from './harness/ground.mjs';

/** Beside the upstream of its own dialect, each is tried with one that the gateway has to translate for. */
const FOREIGN = { anthropic: 'chat', responses: 'anthropic', gemini: 'chat', chat: 'gemini' };

let ground;
before(async () => { ground = await Ground.start({ behind: true }); });
after(() => ground?.stop());

for (const [agent, { dialect, socket = false }] of Object.entries(AGENTS)) {
    for (const upstream of DIRECT ? [dialect] : [dialect, FOREIGN[dialect]]) {
        test(`${agent}, upstream ${upstream}`, async () => {
            ground.asked(upstream);
            const heard = ground.heard(upstream);
            heard.splice(0);
            const dir = fs.mkdtempSync(path.join(ground.dir, 'agent-'));
            const { folder, stdout } = await turn(agent, ground.place(upstream), dir, folder => `${SAY.file} ${folder}/made.txt now.`);
            assert.equal(fs.readFileSync(path.join(folder, 'made.txt'), 'utf8').trim(), FILE_TEXT);
            assert.ok(stdout.includes(AGENT_DONE), `it tells what the model said last: ${stdout}`);
            const upgrades = heard.filter(({ headers }) => headers.upgrade === 'websocket').length;
            const posts = heard.filter(({ method }) => method === 'POST').length;
            assert.deepEqual([upgrades > 0, posts > 0], socket ? [true, false] : [false, true], 'it went the way that it was told to go');
            assert.ok(ground.asked(upstream).length > 0);
        });
    }
}
