import { expect, test } from 'vitest';
import { answerOf, turnsOf } from './conversation';

const stream = (...events: unknown[]) => events.map(event => `event: x\ndata: ${JSON.stringify(event)}\n\n`).join('') + 'data: [DONE]\n\n';

test.each([
    ['chat', { messages: [{ role: 'system', content: 'Be terse.' }, { role: 'user', content: [{ type: 'text', text: 'Capital?' }, { type: 'image_url', image_url: { url: 'data:' } }] }] }],
    ['responses', { instructions: 'Be terse.', input: [{ role: 'user', content: [{ type: 'input_text', text: 'Capital?' }] }] }],
    ['anthropic', { system: [{ type: 'text', text: 'Be terse.' }], messages: [{ role: 'user', content: 'Capital?' }] }],
    ['gemini', { systemInstruction: { parts: [{ text: 'Be terse.' }] }, contents: [{ role: 'user', parts: [{ text: 'Capital?' }] }] }],
])('a question in the dialect %s', (_, body) => {
    expect(turnsOf(JSON.stringify(body))).toEqual([{ role: 'system', text: 'Be terse.' }, { role: 'user', text: 'Capital?' }]);
});

test('tools are told by their names', () => {
    expect(turnsOf(JSON.stringify({ messages: [{ role: 'assistant', content: null, tool_calls: [{ id: 'c', type: 'function', function: { name: 'read', arguments: '{"path":"a"}' } }] }] }))).toEqual([{ role: 'assistant', text: '→ read {"path":"a"}' }]);
    expect(turnsOf(JSON.stringify({ messages: [{ role: 'assistant', content: [{ type: 'tool_use', name: 'read', input: { path: 'a' } }] }] }))).toEqual([{ role: 'assistant', text: '→ read {"path":"a"}' }]);
});

test('one line is a question, too; what was cut off or says nothing is none', () => {
    expect(turnsOf('{"input":"Capital?"}')).toEqual([{ role: 'user', text: 'Capital?' }]);
    expect([turnsOf('{"messages":[{"ro'), turnsOf('[]'), turnsOf('{}'), turnsOf('{"messages":7}')]).toEqual([undefined, undefined, undefined, undefined]);
});

test.each([
    ['chat', JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'Paris.' } }] })],
    ['chat, streamed', stream({ choices: [{ delta: { content: 'Par' } }] }, { choices: [{ delta: { content: 'is.' } }] }, { choices: [], usage: {} })],
    ['responses', JSON.stringify({ output: [{ type: 'message', content: [{ type: 'output_text', text: 'Paris.' }] }] })],
    ['responses, streamed', stream({ type: 'response.output_text.delta', delta: 'Paris.' }, { type: 'response.completed', response: { output: [{ content: [{ text: 'Paris.' }] }] } })],
    ['anthropic', JSON.stringify({ role: 'assistant', content: [{ type: 'text', text: 'Paris.' }] })],
    ['anthropic, streamed', stream({ type: 'message_start', message: { content: [] } }, { type: 'content_block_delta', delta: { type: 'text_delta', text: 'Paris.' } }, { type: 'message_delta', delta: { stop_reason: 'end_turn' } })],
    ['gemini', JSON.stringify({ candidates: [{ content: { parts: [{ text: 'Paris.' }] } }] })],
    ['gemini, streamed as a list', JSON.stringify([{ candidates: [{ content: { parts: [{ text: 'Par' }] } }] }, { candidates: [{ content: { parts: [{ text: 'is.' }] } }] }])],
])('an answer in the dialect %s', (_, text) => {
    expect(answerOf(text)).toBe('Paris.');
});

test('what is no answer is shown as it was sent', () => {
    expect([answerOf(''), answerOf('oops'), answerOf('{"error":{"message":"no"}}')]).toEqual([undefined, undefined, undefined]);
});
