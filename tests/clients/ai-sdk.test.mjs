// The AI SDK of Vercel with its providers: it looks at what comes more closely than the libraries of the dialects' owners.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createAnthropic } from '@ai-sdk/anthropic';
import { createGoogleGenerativeAI } from '@ai-sdk/google';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { APICallError, Output, embedMany, generateText, isStepCount, jsonSchema, streamText, tool } from 'ai';
import { CITIES, JSON_ANSWER, SAY, SENTENCE, THOUGHT, USAGE, VECTOR } from './harness/answers.mjs';
import { DIALECTS, FORM, MAX_TOKENS, PARAMETERS, PNG } from './harness/doors.mjs';
import { DIRECT, Ground, SCENE } from './harness/ground.mjs';

const openai = place => createOpenAI({ baseURL: place.openai, apiKey: place.key });
const compatible = { name: 'gateway', includeUsage: true, supportsStructuredOutputs: true };

/** Each provider with the dialect that it speaks, the model that it makes of a place, and how that is told to think. */
const PROVIDERS = {
    'openai chat': { dialect: 'chat', model: place => openai(place).chat(place.model) },
    'openai-compatible': {
        dialect: 'chat', thinks: {}, model: place => createOpenAICompatible({ ...compatible, baseURL: place.openai, apiKey: place.key })(place.model),
    },
    'openai responses': {
        dialect: 'responses', thinks: { openai: { reasoningSummary: 'auto', store: false, forceReasoning: true } }, model: place => openai(place).responses(place.model),
    },
    anthropic: {
        dialect: 'anthropic', thinks: { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } },
        model: place => createAnthropic({ baseURL: `${place.anthropic}/v1`, apiKey: place.key })(place.model),
    },
    google: {
        dialect: 'gemini', thinks: { google: { thinkingConfig: { includeThoughts: true } } },
        model: place => createGoogleGenerativeAI({ baseURL: `${place.gemini}/v1beta`, apiKey: place.key })(place.model),
    },
};
const weather = tool({
    description: 'Tells the weather in a city.', inputSchema: jsonSchema(PARAMETERS), execute: ({ city }) => `${CITIES[city]} degrees in ${city}`,
});

let ground;
before(async () => { ground = await Ground.start(); });
after(() => ground?.stop());

/** All that a stream tells, and what went wrong: some of it is told as a part of the stream, some ends it. */
async function flow(wish) {
    const errors = [];
    const result = streamText({ maxRetries: 0, maxOutputTokens: MAX_TOKENS, ...wish, onError: ({ error }) => { errors.push(error); } });
    const parts = [];
    try {
        for await (const part of result.stream) { parts.push(part); }
    } catch (error) { errors.push(error); }
    return { result, parts, errors };
}

const SCENES = {
    async whole({ model }) {
        const { text, finishReason, usage } = await generateText({ model, prompt: SAY.sentence, maxRetries: 0 });
        assert.equal(text, SENTENCE);
        assert.equal(finishReason, 'stop');
        assert.deepEqual([usage.inputTokens, usage.outputTokens], [USAGE.input, USAGE.output]);
    },
    async stream({ model }) {
        const { result, parts, errors } = await flow({ model, prompt: SAY.sentence });
        assert.deepEqual(errors, []);
        assert.equal(await result.text, SENTENCE);
        assert.ok(parts.filter(part => part.type === 'text-delta').length > 5);
        const usage = await result.usage;
        assert.deepEqual([usage.inputTokens, usage.outputTokens], [USAGE.input, USAGE.output]);
    },
    /** The library runs the tools by itself and asks again with what they said. */
    async tools({ model }) {
        for (const ask of [generateText, async wish => (await flow(wish)).result]) {
            const result = await ask({ model, prompt: SAY.weather, tools: { weather }, stopWhen: isStepCount(3), maxRetries: 0 });
            const text = await result.text;
            Object.entries(CITIES).forEach(([city, degrees]) => assert.ok(text.includes(`${degrees} degrees in ${city}`), text));
            assert.equal((await result.steps).length, 2);
        }
    },
    async think({ model, thinks }) {
        const { result, errors } = await flow({ model, prompt: SAY.thought, providerOptions: thinks, maxOutputTokens: 4096 });
        assert.deepEqual(errors, []);
        assert.equal(await result.reasoningText, THOUGHT);
        assert.equal(await result.text, SENTENCE);
    },
    async form({ model }) {
        const { output } = await generateText({ model, prompt: SAY.json, output: Output.object({ schema: jsonSchema(FORM) }), maxRetries: 0 });
        assert.deepEqual(output, JSON_ANSWER);
    },
    async picture({ model, requests }) {
        const content = [{ type: 'text', text: SAY.picture }, { type: 'file', data: PNG, mediaType: 'image/png' }];
        await generateText({ model, messages: [{ role: 'user', content }], maxRetries: 0 });
        assert.ok(requests().some(({ body }) => body.includes(PNG)), 'the upstream got the picture');
    },
    async error({ failing }) {
        for (const [name, status] of [['limited', 429], ['refused', 400]]) {
            const error = await generateText({ model: failing(name), prompt: SAY[name], maxRetries: 0 }).then(() => assert.fail('it was answered'), error => error);
            assert.ok(APICallError.isInstance(error), String(error));
            assert.equal(error.statusCode, status);
            assert.match(error.message, /refused as asked/, 'its schema of errors fits');
        }
    },
    async cut({ model }) {
        const { parts, errors } = await flow({ model, prompt: SAY.cut });
        assert.ok(parts.some(part => part.type === 'text-delta'), 'some of it came');
        assert.ok(errors.length > 0, 'an answer that breaks off is an error');
    },
    async cancel({ model, tap }) {
        const abort = new AbortController();
        const result = streamText({ model, prompt: SAY.slow, maxRetries: 0, abortSignal: abort.signal, onError: () => {} });
        for await (const part of result.stream) {
            if (part.type === 'text-delta') { abort.abort(); }
        }
        assert.ok((await tap.closed(({ body }) => body.includes(SAY.slow))).left);
    },
};

for (const [name, { dialect, model, thinks }] of Object.entries(PROVIDERS)) {
    for (const upstream of DIRECT ? [dialect] : DIALECTS) {
        test(`${name}, upstream ${upstream}`, async t => {
            const place = ground.place(upstream);
            const failing = name => model({ ...place, model: place.failing[name] });
            const given = { model: model(place), failing, thinks, tap: ground.taps[upstream], requests: () => ground.asked(upstream) };
            // The chat provider of OpenAI itself knows no visible thoughts.
            for (const [scene, play] of Object.entries(SCENES).filter(([scene]) => thinks || scene !== 'think')) {
                await t.test(scene, SCENE, async () => {
                    ground.asked(upstream);
                    await play(given);
                });
            }
        });
    }
}

test('vectors', async () => {
    const place = ground.place('chat');
    const model = openai(place).embeddingModel(place.model);
    assert.deepEqual((await embedMany({ model, values: ['one', 'two'] })).embeddings, [VECTOR, VECTOR]);
});
