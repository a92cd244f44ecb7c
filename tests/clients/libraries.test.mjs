// What the Node libraries of the dialects' owners do beside asking: keys, lists, counts, vectors.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { SAY, SENTENCE, VECTOR } from './harness/answers.mjs';
import { DIALECTS, DOORS, failure } from './harness/doors.mjs';
import { DIRECT, Ground, SCENE } from './harness/ground.mjs';

/** A model of an upstream that nobody has named. */
const NOWHERE = 'nowhere/none-such';
/** Upstreams that have embeddings. */
const EMBEDDING = ['chat', 'responses', 'gemini'];

let ground;
before(async () => { ground = await Ground.start(); });
after(() => ground?.stop());

const thrown = asked => asked.then(() => assert.fail('it was answered'), failure);

for (const [dialect, Door] of Object.entries(DOORS)) {
    test(`door ${dialect}`, async t => {
        const place = ground.place(dialect);
        const door = new Door(place);
        const sentence = { model: place.model, messages: door.say(SAY.sentence) };

        await t.test('a wrong key is refused in the library\'s own class, and comes to no upstream', SCENE, async () => {
            ground.asked(dialect);
            for (const way of ['whole', 'stream']) {
                const error = await thrown(new Door({ ...place, key: 'wrong' })[way](sentence));
                assert.ok(error.own && error.status === 401, JSON.stringify(error));
            }
            const posts = ground.asked(dialect).filter(({ method }) => method === 'POST');
            if (!DIRECT) { assert.deepEqual(posts, []); }
        });
        if (!DIRECT) {
            await t.test('a model of no upstream is not found', SCENE, async () => {
                const error = await thrown(door.whole({ ...sentence, model: NOWHERE }));
                assert.ok(error.own && error.status === 404, JSON.stringify(error));
                assert.match(error.message, /nowhere/);
            });
            await t.test('a translated answer names the model as it was asked for', SCENE, async () => {
                for (const upstream of DIALECTS.filter(upstream => upstream !== dialect)) {
                    const { model } = ground.place(upstream);
                    for (const way of ['whole', 'stream']) { assert.equal((await door[way]({ ...sentence, model })).model, model, `${way} ${upstream}`); }
                }
            });
        }
        await t.test('many ask at once and each gets its answer', SCENE, async () => {
            const all = Array.from({ length: 16 }, (_, at) => door[at % 2 ? 'whole' : 'stream'](sentence));
            (await Promise.all(all)).forEach(({ text }) => assert.equal(text, SENTENCE));
        });
        await t.test('models are listed', SCENE, async () => {
            const models = await door.models();
            const wanted = DIRECT ? [place.model] : DIALECTS.map(upstream => ground.place(upstream).model);
            wanted.forEach(model => assert.ok(models.includes(model), `${model} is among ${models}`));
        });
        // Not every dialect counts or has vectors.
        if (door.count) {
            await t.test('tokens are counted', SCENE, async () => {
                for (const upstream of DIRECT ? [dialect] : DIALECTS) {
                    const { model } = ground.place(upstream);
                    assert.ok(await door.count(model, door.say(SAY.sentence)) > 0, upstream);
                }
            });
        }
        if (door.embed) {
            await t.test('texts become vectors', SCENE, async () => {
                for (const upstream of DIRECT ? [dialect] : EMBEDDING) {
                    assert.deepEqual(await door.embed(ground.place(upstream).model, ['one', 'two']), [VECTOR, VECTOR], upstream);
                }
            });
        }
    });
}
