// The command-line agents when it does not go well: the model's server refuses, or somebody ends the agent in the middle of an answer.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { eventually } from '../e2e/harness/process.mjs';
import { SAY } from './harness/answers.mjs';
import { AGENTS, scene } from './harness/agents.mjs';
import { DIRECT, Ground } from './harness/ground.mjs';

let ground;
before(async () => { ground = await Ground.start(); });
after(() => ground?.stop());

/** The latest call of a model that is written down. */
const lastCall = async model => (await ground.call('llm/calls?limit=100')).calls.find(call => call.asked === model);
const made = () => fs.mkdtempSync(path.join(ground.dir, 'scene-'));

for (const [agent, { dialect }] of Object.entries(AGENTS)) {
    test(`${agent} tells a refusal of the model's server`, async () => {
        const place = ground.place(dialect);
        const { code, stdout, stderr } = await scene(agent, { ...place, model: place.failing.refused }, made(), SAY.refused);
        assert.notEqual(code, 0);
        assert.match(stdout + stderr, /refused as asked \(400\)/);
    });
    test(`${agent} tells that its token is not taken`, { skip: DIRECT }, async () => {
        const { code, stdout, stderr } = await scene(agent, { ...ground.place(dialect), key: 'cdt_pat_of_nobody' }, made(), SAY.sentence);
        assert.notEqual(code, 0);
        assert.match(stdout + stderr, /This token is not valid/);
    });
    for (const signal of ['SIGINT', 'SIGTERM']) {
        test(`${agent} is ended by ${signal} in the middle of an answer`, async () => {
            const [tap, place] = [ground.taps[dialect], ground.place(dialect)];
            tap.take();
            const before = DIRECT ? undefined : await lastCall(place.model);
            await scene(agent, place, made(), SAY.slow, async ({ stop }) => {
                await eventually('the answer to begin', () => tap.seen.some(seen => seen.begun && seen.body.includes(SAY.slow)));
                stop(signal);
            });
            assert.ok((await tap.closed(({ body }) => body.includes(SAY.slow))).left, 'the model stops when nobody listens');
            if (DIRECT) { return; }
            const call = await eventually('the call to be written down', async () => {
                const call = await lastCall(place.model);
                return call?.id !== before?.id && call;
            });
            assert.equal(call.outcome, 'cancelled', JSON.stringify(call));
        });
    }
}
