// Responses over a WebSocket, by the library of the dialect's owner: several turns on one connection, each telling only what is new.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import OpenAI from 'openai';
import { ResponsesWS } from 'openai/resources/responses/ws';
import { CITIES, SAY, SENTENCE } from './harness/answers.mjs';
import { DIALECTS, PARAMETERS } from './harness/doors.mjs';
import { DIRECT, Ground, SCENE } from './harness/ground.mjs';

const TOOLS = [{ type: 'function', name: 'weather', description: 'Tells the weather in a city.', parameters: PARAMETERS, strict: true }];
/** What ends an answer. */
const ENDS = ['response.completed', 'response.incomplete', 'response.failed', 'error'];

let ground;
before(async () => { ground = await Ground.start(); });
after(() => ground?.stop());

/** One connection. */
class Talk {
    constructor(t, place, key = place.key) {
        this.model = place.model;
        this.socket = new ResponsesWS(new OpenAI({ baseURL: place.openai, apiKey: key, maxRetries: 0 }), { reconnect: null });
        this.events = this.socket.stream();
        t.after(() => this.socket.close());
    }
    send(input, more = {}) { this.socket.send({ type: 'response.create', model: this.model, input, tools: TOOLS, store: false, ...more }); }
    /** The next event of the server; that the connection fails is an error. */
    async next() {
        for (; ;) {
            const { value, done } = await this.events.next();
            assert.ok(!done, 'the connection is open');
            if (value.type === 'message') { return value.message; }
            if (value.type === 'error') { throw value.error; }
            assert.notEqual(value.type, 'close', 'the connection is open');
        }
    }
    /** Says something and answers the last event, with the text that came before. */
    async say(input, more) {
        this.send(input, more);
        let text = '';
        for (; ;) {
            const event = await this.next();
            if (event.type === 'response.output_text.delta') { text += event.delta; }
            if (ENDS.includes(event.type)) { return { ...event, text }; }
        }
    }
}
const said = text => [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }];

for (const upstream of DIRECT ? ['responses'] : DIALECTS) {
    test(`upstream ${upstream}`, async t => {
        const place = ground.place(upstream);
        await t.test('several answers on one connection', SCENE, async t => {
            const talk = new Talk(t, place);
            for (let turn = 0; turn < 3; turn++) {
                const { type, text } = await talk.say(said(SAY.sentence));
                assert.equal(type, 'response.completed');
                assert.equal(text, SENTENCE);
            }
        });
        // The scripted upstream itself remembers nothing, and what is said on a WebSocket goes by its tap unseen.
        if (DIRECT) { return; }
        await t.test('a turn that tells only what is new', SCENE, async t => {
            const talk = new Talk(t, place);
            const called = await talk.say(said(SAY.weather));
            assert.equal(called.type, 'response.completed');
            const calls = called.response.output.filter(item => item.type === 'function_call');
            assert.deepEqual(calls.map(call => JSON.parse(call.arguments)), Object.keys(CITIES).map(city => ({ city })));
            const outputs = calls.map(call => ({ type: 'function_call_output', call_id: call.call_id, output: `noted ${call.call_id}` }));
            const { text } = await talk.say(outputs, { previous_response_id: called.response.id });
            outputs.forEach(({ output }) => assert.ok(text.includes(output), text));
        });
        await t.test('a warm-up asks the upstream nothing, and can be built upon', SCENE, async t => {
            const talk = new Talk(t, place);
            ground.asked(upstream);
            const warm = await talk.say([{ type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Be brief.' }] }], { generate: false });
            assert.equal(warm.type, 'response.completed');
            assert.deepEqual(ground.asked(upstream).filter(({ method }) => method === 'POST'), []);
            const { text } = await talk.say(said(SAY.sentence), { previous_response_id: warm.response.id });
            assert.equal(text, SENTENCE);
            assert.ok(ground.asked(upstream).some(({ body }) => body.includes('Be brief.')), 'the upstream knows what was said in the warm-up');
        });
        await t.test('an answer that nobody knows cannot be built upon', SCENE, async t => {
            const talk = new Talk(t, place);
            // The library throws what the server says to be an error.
            const error = await talk.say(said(SAY.sentence), { previous_response_id: 'resp_unknown' }).catch(thrown => thrown);
            assert.match(JSON.stringify(error.error ?? error), /previous_response_not_found/);
            assert.equal((await talk.say(said(SAY.sentence))).text, SENTENCE, 'the connection goes on');
        });
        await t.test('who leaves ends the answer at the upstream', SCENE, async t => {
            const talk = new Talk(t, place);
            talk.send(said(SAY.slow));
            while ((await talk.next()).type !== 'response.output_text.delta') { /* What it begins with. */ }
            talk.socket.close();
            assert.ok((await ground.taps[upstream].closed(({ body }) => body.includes(SAY.slow))).left);
            ground.asked(upstream);
        });
    });
}

test('a wrong key opens no connection', async t => {
    const talk = new Talk(t, ground.place('responses'), 'wrong');
    await assert.rejects(talk.say(said(SAY.sentence)), error => /401/.test(`${error.message} ${error.cause?.message}`));
});
