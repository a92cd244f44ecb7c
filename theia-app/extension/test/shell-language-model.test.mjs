import 'reflect-metadata';
import assert from 'node:assert/strict';
import { test } from 'node:test';
import model from '../lib/browser/chat/shell-language-model.js';

const { MAX_TOOL_ROUNDS, ShellLanguageModel } = model;
const info = { id: 'up/m', name: 'm', upstream: 'up', context_tokens: undefined };

/** A shell whose chat follows a script: one function for each round. */
function scripted(...rounds) {
    const requests = [];
    return {
        requests,
        chat(request, onDelta, signal) {
            requests.push(structuredClone(request));
            return (rounds[Math.min(requests.length, rounds.length) - 1])(onDelta, signal);
        }
    };
}

async function ask(shell, { tools = [], token } = {}) {
    const parts = [];
    const { stream } = await new ShellLanguageModel(info, shell).request({
        messages: [{ actor: 'user', type: 'text', text: 'hi' }], tools, sessionId: 's', requestId: 'r', cancellationToken: token
    });
    for await (const part of stream) {
        parts.push(part);
    }
    return parts;
}

const end = (reason, usage) => ({ reason, usage });
const callTool = (id, name = 'read_file') => onDelta => {
    onDelta({ type: 'tool_call', id, name, arguments: '{"path":"x"}' });
    return Promise.resolve(end('tool_calls'));
};
const say = text => onDelta => {
    onDelta({ type: 'text', text });
    return Promise.resolve(end('stop'));
};
const tool = handler => ({ id: 'read_file', name: 'read_file', description: 'd', parameters: { type: 'object', properties: {} }, handler });

test('streams text, thoughts and usage', async () => {
    const parts = await ask(scripted(onDelta => {
        onDelta({ type: 'reasoning', text: 'hm' });
        onDelta({ type: 'text', text: 'a' });
        onDelta({ type: 'text', text: 'b' });
        return Promise.resolve(end('stop', { input_tokens: 3, output_tokens: 2, cached_tokens: 1 }));
    }));
    assert.deepEqual(parts, [
        { thought: 'hm', signature: '' }, { content: 'a' }, { content: 'b' }, { input_tokens: 3, output_tokens: 2, cache_read_input_tokens: 1 }
    ]);
});

test('runs a tool and tells the model what it answered', async () => {
    const shell = scripted(callTool('1'), say('done'));
    const seen = [];
    const parts = await ask(shell, { tools: [tool(async (args, context) => { seen.push([args, context.toolCallId]); return 'content'; })] });
    assert.deepEqual(seen, [['{"path":"x"}', '1']]);
    assert.deepEqual(shell.requests[1].messages.slice(1), [
        { role: 'assistant', text: '', tool_calls: [{ id: '1', name: 'read_file', arguments: '{"path":"x"}' }] },
        { role: 'tool', call_id: '1', text: 'content' }
    ]);
    assert.equal(parts.at(-1).content, 'done');
    assert.equal(parts.find(part => part.tool_calls?.[0].finished).tool_calls[0].result, 'content');
});

test('a fault of a tool, or one that does not exist, is an answer', async () => {
    const shell = scripted(callTool('1'), callTool('2', 'nothing'), say('ok'));
    const parts = await ask(shell, { tools: [tool(async () => { throw new Error('broken'); })] });
    assert.match(shell.requests[1].messages.at(-1).text, /broken/);
    assert.match(shell.requests[2].messages.at(-1).text, /no tool “nothing”/);
    assert.equal(parts.at(-1).content, 'ok');
});

test('ends after the bound on rounds', async () => {
    const shell = scripted(callTool('1'));
    const parts = await ask(shell, { tools: [tool(async () => 'again')] });
    assert.equal(shell.requests.length, MAX_TOOL_ROUNDS);
    assert.match(parts.at(-1).content, /Stopped after 25 rounds/);
});

test('says when an answer was cut', async () => {
    const parts = await ask(scripted(() => Promise.resolve(end('length'))));
    assert.match(parts[0].content, /bound on tokens/);
});

test('a problem of the server reaches the person with its code', async () => {
    const problem = Object.assign(new Error('The model does not answer.'), { code: 'llm.unreachable', kind: 'upstream' });
    await assert.rejects(ask(scripted(() => Promise.reject(problem))), /The model does not answer\. \(llm\.unreachable\)/);
});

test('a cancelled answer just ends, and the server is told', async () => {
    let cancel;
    const token = { isCancellationRequested: false, onCancellationRequested: listener => { cancel = listener; return { dispose() { } }; } };
    let aborted = false;
    const parts = await ask(scripted((onDelta, signal) => new Promise((_, reject) => {
        signal.addEventListener('abort', () => { aborted = true; reject(Object.assign(new Error('Cancelled.'), { code: 'call.cancelled', kind: 'cancelled' })); });
        onDelta({ type: 'text', text: 'a' });
        token.isCancellationRequested = true;
        cancel();
    })), { token });
    assert.deepEqual(parts, [{ content: 'a' }]);
    assert.ok(aborted);
});
