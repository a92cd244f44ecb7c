// What every client must be able to do at every door, whatever dialect the upstream speaks.
import assert from 'node:assert/strict';
import { CITIES, JSON_ANSWER, RETRY_AFTER, SAY, SENTENCE, THOUGHT, USAGE } from './answers.mjs';
import { PNG, failure } from './doors.mjs';
import { DIRECT } from './ground.mjs';

/** Where each dialect's upstream is asked. */
const PATHS = {
    chat: /^\/v1\/chat\/completions$/, responses: /^\/v1\/responses$/, anthropic: /^\/v1\/messages$/, gemini: /^\/v1(beta)?\/models\/[^/]+:(stream)?[gG]enerateContent$/,
};

/** The upstream was asked, and in its own dialect only; what it has may be listed at any time. */
function inItsDialect(seen, upstream) {
    const requests = seen.filter(({ method }) => method === 'POST');
    assert.ok(requests.length > 0, 'the upstream was asked');
    requests.forEach(({ path }) => assert.match(path, PATHS[upstream]));
    return requests;
}

/** The same sentence, for the same reason, at the same cost. */
function isSentence(said) {
    assert.equal(said.text, SENTENCE);
    assert.equal(said.stop, 'end');
    assert.deepEqual(said.usage, USAGE);
    assert.deepEqual(said.calls, []);
}

async function whole({ door, place, requests }) {
    const said = await door.whole({ model: place.model, messages: door.say(SAY.sentence) });
    isSentence(said);
    requests();
}

async function stream({ door, place, requests }) {
    let text = '';
    const said = await door.stream({ model: place.model, messages: door.say(SAY.sentence) }, { piece: piece => { text += piece; } });
    isSentence(said);
    assert.equal(text, SENTENCE);
    assert.ok(said.pieces > 5, `it came in ${said.pieces} pieces`);
    requests();
}

/** Two calls at once, each answered; what they answered is in the next answer. */
async function tools({ door, place, requests }) {
    for (const way of ['whole', 'stream']) {
        const request = { model: place.model, messages: door.say(SAY.weather), tool: true };
        const called = await door[way](request);
        assert.equal(called.stop, 'tool', way);
        assert.deepEqual(called.calls.map(({ name, input }) => ({ name, input })), Object.keys(CITIES).map(city => ({ name: 'weather', input: { city } })));
        const ids = called.calls.map(call => call.id).filter(Boolean);
        assert.equal(new Set(ids).size, ids.length, `calls are told apart: ${ids}`);
        const outputs = called.calls.map(({ input: { city } }) => `${CITIES[city]} degrees in ${city}`);
        const said = await door[way]({ ...request, messages: door.told(request.messages, called, outputs) });
        outputs.forEach(output => assert.ok(said.text.includes(output), `${way}: "${said.text}" has "${output}"`));
        assert.equal(said.stop, 'end');
        requests();
    }
}

/** What the upstream refuses, the client's own error says; that the gateway's key is bad is no fault of the client's. */
async function error({ door, place, requests }) {
    const refused = async (text, model) => {
        let last;
        for (const way of ['whole', 'stream']) {
            last = await door[way]({ model, messages: door.say(text) }).then(() => assert.fail(`${way}: "${text}" was answered`), failure);
            assert.ok(last.own, `${way}: "${text}" throws an error of the library's own: ${JSON.stringify(last)}`);
        }
        return last;
    };
    const { limited, refused: bad, overloaded, unauthorized } = place.failing;
    const { status, retryAfter } = await refused(SAY.limited, limited);
    assert.equal(status, 429);
    if (retryAfter !== undefined) { assert.ok(retryAfter > 0 && retryAfter <= RETRY_AFTER, `${retryAfter} seconds`); }
    const { status: badStatus, message } = await refused(SAY.refused, bad);
    assert.equal(badStatus, 400);
    assert.match(message, /refused as asked/);
    assert.equal((await refused(SAY.sentence, place.noModel)).status, 404);
    assert.ok((await refused(SAY.overloaded, overloaded)).status >= 500);
    // A 401 would be about the client's own key, and after a server's error it would ask again and again.
    if (!DIRECT) { assert.equal((await refused(SAY.unauthorized, unauthorized)).status, 403); }
    requests();
}

/** An answer that breaks off is an error, not a short answer. */
async function cut({ door, place, requests }) {
    let text = '';
    const ended = door.stream({ model: place.model, messages: door.say(SAY.cut) }, { piece: piece => { text += piece; } });
    await assert.rejects(ended);
    assert.ok(text.length > 0 && text.length < SENTENCE.length, `some of it came: "${text}"`);
    requests();
}

/** Who asked goes away: the upstream must not go on. */
async function cancel({ door, place, tap, requests }) {
    const abort = new AbortController();
    const ended = door.stream({ model: place.model, messages: door.say(SAY.slow) }, { piece: () => abort.abort(), signal: abort.signal });
    await assert.rejects(ended);
    const seen = await tap.closed(({ body }) => body.includes(SAY.slow));
    assert.ok(seen.left, 'the connection to the upstream was closed before its answer ended');
    requests();
}

async function think({ door, place, requests }) {
    for (const way of ['whole', 'stream']) {
        const said = await door[way]({ model: place.model, messages: door.say(SAY.thought), think: true });
        assert.equal(said.text, SENTENCE);
        assert.equal(said.reasoning, THOUGHT, way);
    }
    requests();
}

/** The wished form comes to the upstream, and the answer has it. */
async function form({ door, place, requests }) {
    const said = await door.whole({ model: place.model, messages: door.say(SAY.json), form: true });
    assert.deepEqual(JSON.parse(said.text), JSON_ANSWER);
    requests().forEach(({ body }) => assert.match(body, /degrees/, 'the upstream knows the form'));
}

async function picture({ door, place, requests }) {
    const said = await door.whole({ model: place.model, messages: door.saw(SAY.picture) });
    assert.ok(said.text.length > 0);
    requests().forEach(({ body }) => assert.ok(body.includes(PNG), 'the upstream got the picture'));
}

/** Each scenario by its name. */
export const SCENARIOS = { whole, stream, tools, error, cut, cancel, think, form, picture };

/** Runs one scenario; `door` is at `upstream`. */
export function play(ground, name, door, upstream) {
    const requests = () => inItsDialect(ground.asked(upstream), upstream);
    return SCENARIOS[name]({ door, place: ground.place(upstream), tap: ground.taps[upstream], requests });
}
