// The four doors, each through the client library that its dialect's owner publishes, behind one face: what a test asks is the same everywhere.
import Anthropic from '@anthropic-ai/sdk';
import { ApiError, GoogleGenAI } from '@google/genai';
import OpenAI from 'openai';

/** Longest answer that is asked for, in tokens. */
export const MAX_TOKENS = 300;

/** The one tool of the tests. */
const DESCRIPTION = 'Tells the weather in a city.';
export const PARAMETERS = { type: 'object', properties: { city: { type: 'string', description: 'Name of the city' } }, required: ['city'], additionalProperties: false };
/** The one form of the tests for structured output. */
export const FORM = { type: 'object', properties: { city: { type: 'string' }, degrees: { type: 'integer' } }, required: ['city', 'degrees'], additionalProperties: false };
/** One red pixel. */
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';

/** An answer as the tests look at it. `native` is what goes back to the model as what it said. */
const answer = parts => ({ text: '', reasoning: '', calls: [], pieces: 0, ...parts });
const parsed = json => json === '' ? {} : JSON.parse(json);

/**
 * A request: `messages` in the door's own form (from `say`, `saw` and `told`), the wishes `tool`, `form` and `think`, each true or absent, and
 * `max`, the tokens that the answer may take at most.
 * `whole` asks for the answer at once; `stream` calls `piece` at each piece of text.
 */
class Chat {
    constructor({ openai, key }, options = {}) {
        this.client = new OpenAI({ baseURL: openai, apiKey: key, maxRetries: 0, ...options });
    }
    say(text) { return [{ role: 'user', content: text }]; }
    saw(text) { return [{ role: 'user', content: [{ type: 'text', text }, { type: 'image_url', image_url: { url: `data:image/png;base64,${PNG}` } }] }]; }
    told(messages, said, outputs) {
        return [...messages, said.native, ...said.calls.map((call, at) => ({ role: 'tool', tool_call_id: call.id, content: outputs[at] }))];
    }
    body({ model, messages, max = MAX_TOKENS, tool, form, think }) {
        return {
            model, messages, max_tokens: max,
            ...(tool && { tools: [{ type: 'function', function: { name: 'weather', description: DESCRIPTION, parameters: PARAMETERS } }] }),
            ...(form && { response_format: { type: 'json_schema', json_schema: { name: 'report', schema: FORM, strict: true } } }),
            ...(think && { reasoning_effort: 'low' }),
        };
    }
    read(completion, pieces = 0) {
        const { message, finish_reason: stop } = completion.choices[0];
        return answer({
            model: completion.model, text: message.content ?? '', reasoning: message.reasoning_content ?? '',
            stop: { stop: 'end', tool_calls: 'tool', length: 'length' }[stop],
            calls: (message.tool_calls ?? []).map(call => ({ id: call.id, name: call.function.name, input: parsed(call.function.arguments) })),
            usage: completion.usage && { input: completion.usage.prompt_tokens, output: completion.usage.completion_tokens }, native: message, pieces,
        });
    }
    async whole(request) { return this.read(await this.client.chat.completions.create(this.body(request))); }
    async stream(request, { piece = () => {}, signal } = {}) {
        const stream = this.client.chat.completions.stream({ ...this.body(request), stream_options: { include_usage: true } }, { signal });
        let pieces = 0;
        let reasoning = '';
        for await (const chunk of stream) {
            const delta = chunk.choices[0]?.delta;
            reasoning += delta?.reasoning_content ?? '';
            if (delta?.content) { pieces++; piece(delta.content); }
        }
        return { ...this.read(await stream.finalChatCompletion(), pieces), reasoning };
    }
    async models() { return (await this.client.models.list()).data.map(model => model.id); }
    async embed(model, input) { return (await this.client.embeddings.create({ model, input })).data.map(row => row.embedding); }
}

class Responses extends Chat {
    saw(text) { return [{ role: 'user', content: [{ type: 'input_text', text }, { type: 'input_image', image_url: `data:image/png;base64,${PNG}` }] }]; }
    told(messages, said, outputs) {
        return [...messages, ...said.native, ...said.calls.map((call, at) => ({ type: 'function_call_output', call_id: call.id, output: outputs[at] }))];
    }
    body({ model, messages, max = MAX_TOKENS, tool, form, think }) {
        return {
            model, input: messages, max_output_tokens: max, store: false,
            ...(tool && { tools: [{ type: 'function', name: 'weather', description: DESCRIPTION, parameters: PARAMETERS, strict: true }] }),
            ...(form && { text: { format: { type: 'json_schema', name: 'report', schema: FORM, strict: true } } }),
            ...(think && { reasoning: { effort: 'low', summary: 'auto' } }),
        };
    }
    read(response, pieces = 0) {
        const of = type => response.output.filter(item => item.type === type);
        const calls = of('function_call');
        const cut = response.incomplete_details?.reason === 'max_output_tokens' ? 'length' : undefined;
        const stop = { completed: calls.length > 0 ? 'tool' : 'end', incomplete: cut }[response.status];
        return answer({
            model: response.model, stop, pieces, native: response.output,
            text: of('message').flatMap(item => item.content).map(part => part.text ?? '').join(''),
            reasoning: of('reasoning').flatMap(item => [...item.summary, ...item.content ?? []]).map(part => part.text).join(''),
            calls: calls.map(call => ({ id: call.call_id, name: call.name, input: parsed(call.arguments) })),
            usage: response.usage && { input: response.usage.input_tokens, output: response.usage.output_tokens },
        });
    }
    async whole(request) { return this.read(await this.client.responses.create(this.body(request))); }
    async stream(request, { piece = () => {}, signal } = {}) {
        const stream = this.client.responses.stream(this.body(request), { signal });
        let pieces = 0;
        for await (const event of stream) {
            if (event.type === 'response.output_text.delta') { pieces++; piece(event.delta); }
        }
        return this.read(await stream.finalResponse(), pieces);
    }
}

class Messages {
    constructor({ anthropic, key }, options = {}) {
        this.client = new Anthropic({ baseURL: anthropic, apiKey: key, maxRetries: 0, ...options });
    }
    say(text) { return [{ role: 'user', content: text }]; }
    saw(text) { return [{ role: 'user', content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }, { type: 'text', text }] }]; }
    told(messages, said, outputs) {
        const results = said.calls.map((call, at) => ({ type: 'tool_result', tool_use_id: call.id, content: outputs[at] }));
        return [...messages, { role: 'assistant', content: said.native }, { role: 'user', content: results }];
    }
    body({ model, messages, max = MAX_TOKENS, tool, form, think }) {
        return {
            model, messages, max_tokens: think ? 2 * THINKING_TOKENS : max,
            ...(tool && { tools: [{ name: 'weather', description: DESCRIPTION, input_schema: PARAMETERS }] }),
            ...(form && { output_config: { format: { type: 'json_schema', schema: FORM } } }),
            ...(think && { thinking: { type: 'enabled', budget_tokens: THINKING_TOKENS } }),
        };
    }
    read(message, pieces = 0) {
        const of = type => message.content.filter(block => block.type === type);
        return answer({
            model: message.model, native: message.content, pieces, stop: { end_turn: 'end', tool_use: 'tool', max_tokens: 'length' }[message.stop_reason],
            text: of('text').map(block => block.text).join(''), reasoning: of('thinking').map(block => block.thinking).join(''),
            calls: of('tool_use').map(block => ({ id: block.id, name: block.name, input: block.input })),
            usage: { input: message.usage.input_tokens, output: message.usage.output_tokens },
        });
    }
    async whole(request) { return this.read(await this.client.messages.create(this.body(request))); }
    async stream(request, { piece = () => {}, signal } = {}) {
        let pieces = 0;
        const stream = this.client.messages.stream(this.body(request), { signal });
        stream.on('text', text => { pieces++; piece(text); });
        return this.read(await stream.finalMessage(), pieces);
    }
    async models() { return (await Array.fromAsync(this.client.models.list())).map(model => model.id); }
    async count(model, messages) { return (await this.client.messages.countTokens({ model, messages })).input_tokens; }
}
/** The least that a model may think for, in tokens. */
const THINKING_TOKENS = 1024;

class Gemini {
    constructor({ gemini, key }, options = {}) {
        this.client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: gemini }, ...options });
    }
    say(text) { return [{ role: 'user', parts: [{ text }] }]; }
    saw(text) { return [{ role: 'user', parts: [{ text }, { inlineData: { mimeType: 'image/png', data: PNG } }] }]; }
    told(messages, said, outputs) {
        const parts = said.calls.map((call, at) => ({ functionResponse: { ...(call.id && { id: call.id }), name: call.name, response: { output: outputs[at] } } }));
        return [...messages, { role: 'model', parts: said.native }, { role: 'user', parts }];
    }
    body({ model, messages, max = MAX_TOKENS, tool, form, think }, signal) {
        return {
            model, contents: messages, config: {
                maxOutputTokens: max, abortSignal: signal,
                ...(tool && { tools: [{ functionDeclarations: [{ name: 'weather', description: DESCRIPTION, parametersJsonSchema: PARAMETERS }] }] }),
                ...(form && { responseMimeType: 'application/json', responseJsonSchema: FORM }),
                ...(think && { thinkingConfig: { includeThoughts: true, thinkingBudget: THINKING_TOKENS } }),
            },
        };
    }
    read(parts, last, pieces = 0) {
        const text = thought => parts.filter(part => part.text && (part.thought ?? false) === thought).map(part => part.text).join('');
        const calls = parts.filter(part => part.functionCall).map(({ functionCall }) => ({ id: functionCall.id, name: functionCall.name, input: functionCall.args }));
        const stop = last.candidates[0].finishReason;
        return answer({
            model: last.modelVersion, native: parts, text: text(false), reasoning: text(true), calls, pieces,
            // A call ends like any other answer here.
            stop: calls.length > 0 && stop === 'STOP' ? 'tool' : { STOP: 'end', MAX_TOKENS: 'length' }[stop],
            usage: last.usageMetadata && { input: last.usageMetadata.promptTokenCount, output: last.usageMetadata.candidatesTokenCount },
        });
    }
    async whole(request) {
        const response = await this.client.models.generateContent(this.body(request));
        return this.read(response.candidates[0].content.parts, response);
    }
    async stream(request, { piece = () => {}, signal } = {}) {
        const parts = [];
        let pieces = 0;
        let last;
        for await (const chunk of await this.client.models.generateContentStream(this.body(request, signal))) {
            const found = chunk.candidates?.[0]?.content?.parts ?? [];
            parts.push(...found);
            if (found.some(part => part.text && !part.thought)) { pieces++; piece(found.map(part => part.text ?? '').join('')); }
            last = { ...last, ...chunk, candidates: chunk.candidates ?? last?.candidates, usageMetadata: chunk.usageMetadata ?? last?.usageMetadata };
        }
        return this.read(parts, last, pieces);
    }
    async models() { return (await Array.fromAsync(await this.client.models.list())).map(model => model.name.replace(/^models\//, '')); }
    async count(model, messages) { return (await this.client.models.countTokens({ model, contents: messages })).totalTokens; }
    async embed(model, input) { return (await this.client.models.embedContent({ model, contents: input })).embeddings.map(row => row.values); }
}

/** The classes that the libraries have for statuses; for those of 500 and more, one and its children. */
const CLASSES = { 400: 'BadRequestError', 401: 'AuthenticationError', 403: 'PermissionDeniedError', 404: 'NotFoundError', 429: 'RateLimitError' };

/** What a door's client throws, as the tests look at it: `own` tells whether it is of the class that the library has for this status. */
export function failure(error) {
    const { status, message } = error;
    const library = [OpenAI, Anthropic].find(({ APIError }) => error instanceof APIError);
    const own = error instanceof ApiError || Boolean(library) && error instanceof library[CLASSES[status] ?? 'InternalServerError'];
    return { own, status, message, retryAfter: error.headers?.get('retry-after') };
}

/** Each door by the name of its dialect. */
export const DOORS = { chat: Chat, responses: Responses, anthropic: Messages, gemini: Gemini };
export const DIALECTS = Object.keys(DOORS);
