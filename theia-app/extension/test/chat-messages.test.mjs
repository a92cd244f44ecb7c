import assert from 'node:assert/strict';
import { test } from 'node:test';
import messages from '../lib/browser/chat/chat-messages.js';

const { toChatMessages, toResultText } = messages;
const text = (actor, value) => ({ actor, type: 'text', text: value });
const use = (id, input = {}) => ({ actor: 'ai', type: 'tool_use', id, name: 'read_file', input });
const result = (id, content) => ({ actor: 'user', type: 'tool_result', tool_use_id: id, name: 'read_file', content });
const call = (id, args = '{}') => ({ id, name: 'read_file', arguments: args });

test('a call belongs to the text before it, and its answer follows', () => {
    assert.deepEqual(toChatMessages([text('system', 's'), text('user', 'u'), text('ai', 'a'), use('1', { path: 'x' }), result('1', 'r'), text('ai', 'b')]), [
        { role: 'system', text: 's' },
        { role: 'user', text: 'u', images: [] },
        { role: 'assistant', text: 'a', tool_calls: [call('1', '{"path":"x"}')] },
        { role: 'tool', call_id: '1', text: 'r' },
        { role: 'assistant', text: 'b', tool_calls: [] }
    ]);
});

test('a call that was cancelled gets an answer: upstreams refuse a conversation with an open one', () => {
    const [, assistant, tool, user] = toChatMessages([text('user', 'u'), use('1'), text('user', 'v')]);
    assert.deepEqual(assistant.tool_calls, [call('1')]);
    assert.equal(tool.role, 'tool');
    assert.equal(tool.call_id, '1');
    assert.match(tool.text, /cancelled/);
    assert.equal(user.text, 'v');
});

test('pictures go with what the person said, and only as data', () => {
    const image = image => ({ actor: 'user', type: 'image', image });
    assert.deepEqual(toChatMessages([text('user', 'u'), image({ base64data: 'AAA', mimeType: 'image/png' }), image({ url: 'https://example.org/x.png' })]), [
        { role: 'user', text: 'u', images: ['data:image/png;base64,AAA'] }
    ]);
});

test('thoughts are not sent back', () => {
    assert.deepEqual(toChatMessages([{ actor: 'ai', type: 'thinking', thinking: 'hm', signature: '' }]), []);
});

test('results as text', () => {
    const check = (value, expected) => assert.equal(toResultText(value), expected);
    check(undefined, '');
    check('x', 'x');
    check({ denied: true }, '{"denied":true}');
    check({ content: [{ type: 'text', text: 'a' }, { type: 'error', data: 'b' }, { type: 'image' }] }, 'a\nError: b\n[image]');
});
