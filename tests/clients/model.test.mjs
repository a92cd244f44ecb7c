// A real model, asked by real clients. What it says is fluent and silly: only its form is looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { skipWithout } from '../e2e/harness/requirements.mjs';
import { DOORS, failure } from './harness/doors.mjs';
import { DIRECT, Ground, REAL, REAL_NAMES } from './harness/ground.mjs';

const skip = skipWithout('model', !REAL && 'CODITECT_TEST_MODEL_URL names no model server');
/** Longest answer that is only looked at, in tokens: the model makes some eighty in a second. */
const SHORT = 48;
/** Longest that a small model on a slow machine may take, in milliseconds. */
const SCENE_MS = 60_000;
/** More words than its context has tokens. */
const TOO_LONG = 'word '.repeat(20_000);

let ground;
before(async () => { if (!skip) { ground = await Ground.start(); } });
after(() => ground?.stop());

const SCENES = {
    async whole({ door, model }) {
        const said = await door.whole({ model, max: SHORT, messages: door.say('Name three colours.') });
        assert.ok(said.text.trim().length > 0);
        assert.ok(['end', 'length'].includes(said.stop), said.stop);
        assert.ok(said.usage.input > 0 && said.usage.output > 0, JSON.stringify(said.usage));
    },
    async stream({ door, model }) {
        let text = '';
        const said = await door.stream({ model, max: SHORT, messages: door.say('Tell me about the sea.') }, { piece: piece => { text += piece; } });
        assert.equal(said.text, text);
        assert.ok(said.pieces > 1);
        assert.ok(said.usage.input > 0 && said.usage.output > 1, JSON.stringify(said.usage));
    },
    /** A small model calls when it likes; what it calls must be well formed, and it goes on when it is told. */
    async tools({ door, model }) {
        const request = { model, messages: door.say('Call the tool weather for the city Oslo.'), tool: true };
        const called = await door.stream(request);
        assert.ok(called.calls.length > 0 || called.text.length > 0);
        for (const { name, input } of called.calls) {
            assert.equal(name, 'weather');
            assert.equal(typeof input, 'object');
        }
        assert.equal(called.stop === 'tool', called.calls.length > 0);
        if (called.calls.length > 0) {
            const said = await door.whole({ ...request, messages: door.told(request.messages, called, called.calls.map(() => '4 degrees')) });
            assert.ok(said.text.length > 0 || said.calls.length > 0);
        }
    },
    async form({ door, model }) {
        const said = await door.whole({ model, messages: door.say('The weather in Oslo, in JSON.'), form: true });
        if (said.stop === 'end') {
            const { city, degrees } = JSON.parse(said.text);
            assert.deepEqual([typeof city, typeof degrees], ['string', 'number']);
        }
    },
    async 'a prompt that is too long'({ door, model }) {
        const error = await door.whole({ model, messages: door.say(TOO_LONG) }).then(() => assert.fail('it was answered'), failure);
        assert.ok(error.own && error.status === 400, JSON.stringify(error));
    },
    async cancel({ door, model, tap }) {
        tap.take();
        const abort = new AbortController();
        await assert.rejects(door.stream({ model, messages: door.say('Tell a very long story.') }, { piece: () => abort.abort(), signal: abort.signal }));
        assert.ok((await tap.closed(({ method }) => method === 'POST')).left, 'the model stops when nobody listens');
    },
};

for (const [dialect, Door] of Object.entries(DOORS)) {
    for (const [spoken, upstream] of Object.entries(REAL_NAMES).filter(([spoken]) => !DIRECT || spoken === dialect)) {
        test(`door ${dialect}, the model as ${spoken}`, { skip }, async t => {
            const place = ground.place(upstream);
            const given = { door: new Door(place), model: place.model, tap: ground.taps[upstream] };
            for (const [name, play] of Object.entries(SCENES)) {
                // The server itself takes no form in this dialect.
                if (name === 'form' && spoken === 'anthropic') { continue; }
                await t.test(name, { timeout: SCENE_MS }, () => play(given));
            }
        });
    }
}

test('tokens of the real model are counted', { skip }, async () => {
    const place = ground.place(REAL_NAMES.anthropic);
    const door = new DOORS.anthropic(place);
    const [short, long] = await Promise.all(['One.', 'One two three four five six seven.'].map(text => door.count(place.model, door.say(text))));
    assert.ok(short > 0 && long > short, `${short} and ${long}`);
});
