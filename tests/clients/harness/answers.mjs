// What the scripted upstream answers, in each dialect: told by what the last user message says, so that every client asks in the same words.
import { LLMock } from '@copilotkit/aimock';

/** Letters of two, three and four bytes, and one of several code points: a stream cut at any byte must not break them. */
export const SENTENCE = 'Grüße aus Köln: 5 € für 🦊 und 👩‍🔬, sagt Jürgen.';
export const THOUGHT = 'First I look at the map, then I answer.';
export const CITIES = { Oslo: 4, Rome: 18 };
export const JSON_ANSWER = { city: 'Oslo', degrees: 4 };
export const VECTOR = [0.5, -0.25, 0.125, 1];
/** What each answer costs, in tokens. */
export const USAGE = { input: 11, output: 7 };
/** A model that the scripted upstream says it has not. */
export const NO_MODEL = 'none-such';
export const MODEL = 'scripted';

/** What clients say, and what happens then. */
export const SAY = {
    sentence: 'Say the sentence.',
    thought: 'Think, then say the sentence.',
    weather: 'What is the weather in Oslo and in Rome?',
    json: 'Answer in JSON.',
    picture: 'What is in the picture?',
    slow: 'Count for a long time.',
    cut: 'Break off.',
    limited: 'Refuse with 429.',
    refused: 'Refuse with 400.',
    unauthorized: 'Refuse with 401.',
    overloaded: 'Refuse with 503.',
    file: 'Write the file',
};
/** Seconds that a client is told to wait. */
export const RETRY_AFTER = 7;

/** How long the slow answer takes between its pieces, and how many there are: far longer than any test waits. */
const SLOW_MS = 100;
const SLOW_WORDS = 2000;
/** Letters in a piece of a stream: small, so that letters and arguments come in fragments. */
const PIECE = 3;
/** How long the answer that breaks off takes between its pieces: each must have gone out when the connection closes. */
const CUT_MS = 20;
const CUT_PIECES = 9;

/** The numbers under the name that each dialect has for them. */
const usage = {
    prompt_tokens: USAGE.input, input_tokens: USAGE.input, promptTokenCount: USAGE.input,
    completion_tokens: USAGE.output, output_tokens: USAGE.output, candidatesTokenCount: USAGE.output,
    total_tokens: USAGE.input + USAGE.output, totalTokenCount: USAGE.input + USAGE.output,
};

/** Each way to refuse, by what is said: its status, and what the type of the error is. */
export const REFUSALS = {
    limited: [429, 'rate_limit_error'], refused: [400, 'invalid_request_error'], unauthorized: [401, 'authentication_error'], overloaded: [503, 'api_error'],
};

const text = content => typeof content === 'string' ? content : (content ?? []).map(part => part.text ?? '').join('');

/** The text of the tool results since the person last spoke: the answer holds them, so that a test sees that they came through. */
function results(request) {
    const last = request.messages.findLastIndex(message => message.role === 'user');
    return request.messages.slice(last).filter(message => message.role === 'tool').map(message => text(message.content));
}

/** What each agent calls its tool for writing a file, with the arguments that this tool takes. */
const WRITERS = {
    Write: (file, content) => ({ file_path: file, content }),
    write_file: (file, content) => ({ file_path: file, content }),
    write: (file, content) => ({ filePath: file, content }),
    exec_command: (file, content) => ({ cmd: `printf %s '${content}' > '${file}'` }),
    shell_command: (file, content) => ({ command: `printf %s '${content}' > '${file}'` }),
    shell: (file, content) => ({ command: ['sh', '-c', `printf %s '${content}' > '${file}'`] }),
};
export const FILE_TEXT = 'written by an agent';
export const AGENT_DONE = 'The file is written.';

/** The call that writes the file which the person names. */
function write(request) {
    const offered = (request.tools ?? []).map(tool => tool.function?.name ?? tool.name);
    const name = Object.keys(WRITERS).find(writer => offered.includes(writer));
    const said = request.messages.map(message => text(message.content)).join('\n');
    const file = new RegExp(`${SAY.file} (\\S+\\.txt)`).exec(said)?.[1];
    if (!name || !file) { return { error: { message: `no tool that writes a file among ${offered}` }, status: 400 }; }
    return { usage, toolCalls: [{ name, arguments: JSON.stringify(WRITERS[name](file, FILE_TEXT)) }] };
}

/** Starts the scripted upstream, which talks to who has `key`. */
export async function scripted(port, key) {
    const mock = new LLMock({ port, latency: 0, chunkSize: PIECE, auth: { apiKeys: [key] } });
    mock.on({ model: NO_MODEL }, { error: { message: `The model ${NO_MODEL} does not exist`, type: 'invalid_request_error', code: 'model_not_found' }, status: 404 });
    mock.onEmbedding(/./, { embedding: VECTOR });
    for (const [name, [status, type]] of Object.entries(REFUSALS)) {
        mock.onMessage(SAY[name], { error: { message: `refused as asked (${status})`, type }, status, retryAfter: RETRY_AFTER });
    }
    mock.onMessage(SAY.thought, { content: SENTENCE, reasoning: THOUGHT, usage });
    mock.onMessage(SAY.sentence, { content: SENTENCE, usage });
    mock.onMessage(SAY.picture, { content: 'A picture.', usage });
    mock.onMessage(SAY.json, { content: JSON.stringify(JSON_ANSWER), usage });
    mock.onMessage(SAY.cut, { content: SENTENCE, usage }, { latency: CUT_MS, truncateAfterChunks: CUT_PIECES });
    mock.onMessage(SAY.slow, { content: 'one more '.repeat(SLOW_WORDS), usage }, { latency: SLOW_MS });
    mock.on({ userMessage: SAY.weather, hasToolResult: true }, request => ({ content: `It is ${results(request).join(' and ')}.`, usage }));
    mock.on({ userMessage: SAY.weather }, {
        usage, toolCalls: Object.keys(CITIES).map(city => ({ name: 'weather', arguments: JSON.stringify({ city }) })),
    });
    // Agents say much more around what the person said: it is looked for in all of it.
    const asks = request => request.messages.some(message => text(message.content).includes(`${SAY.file} /`));
    const has = request => request.messages.some(message => message.role === 'tool');
    // Who speaks over a WebSocket tells only what is new: what the tool answered.
    const isNew = request => request.messages.every(message => message.role !== 'user');
    mock.on({ predicate: request => has(request) && (asks(request) || isNew(request)) }, { content: AGENT_DONE, usage });
    mock.on({ predicate: request => asks(request) && request.tools?.length > 0 }, write);
    // Titles and the like that agents ask for beside their work.
    mock.on({ predicate: asks }, { content: 'A file', usage });
    await mock.start();
}
