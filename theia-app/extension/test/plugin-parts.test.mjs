import assert from 'node:assert/strict';
import { test } from 'node:test';
import answer from '../lib/browser/plugins/plugin-answer.js';
import text from '../lib/browser/plugins/plugin-text.js';
import words from '../lib/browser/plugins/plugin-words.js';
import registrations from '../lib/browser/plugins/registrations.js';

const { PluginAnswer } = answer;
const { applyEdits, findingsByPath, toEditRange, toMonacoRange } = text;
const { commandId, isNewlyBad, noticeText, plainText } = words;

test('what a plugin says is text: no link of it runs a command', () => {
    const told = plainText('[go](command:evil) <img src=x> `a` **b** https://x.example');
    // As CommonMark has it, each of these characters is itself after a backslash.
    assert.doesNotMatch(told.replace(/\\./g, ''), /[[\](){}<>`*_!&:|#]/);
    assert.equal(told.replaceAll('\\', ''), '[go](command:evil) <img src=x> `a` **b** https://x.example');
    assert.ok(plainText('x'.repeat(10_000)).length < 600);
    assert.equal(plainText('a\n\n# b'), 'a \\# b');
});

test('a notice names its plugin and tells what was kept back', () => {
    const notice = { news: 'notice', plugin: 'a.b', title: 'Todo', severity: 'warning', text: 'late', withheld: 0 };
    assert.equal(noticeText(notice), 'Todo (plugin): late');
    assert.match(noticeText({ ...notice, withheld: 12 }), /12 more messages, in its log$/);
    assert.equal(commandId('a.b', 'go'), 'coditect-plugin:a.b/go');
});

test('that a plugin was given up is told as it happens, that it was taken back also to who comes later', () => {
    const [ready, failed, back] = [{ state: 'ready' }, { state: 'failed' }, { state: 'ready', taken_back: true }];
    assert.deepEqual([[failed, ready], [back, ready], [back, undefined], [{ ...failed, taken_back: true }, failed]].map(([now, before]) => isNewlyBad(now, before)), [true, true, true, true]);
    assert.deepEqual([[ready, undefined], [failed, undefined], [failed, failed], [back, back], [ready, back]].map(([now, before]) => isNewlyBad(now, before)), [false, false, false, false, false]);
});

test('what a plugin adds comes and goes by its key, and one that fails does not keep the others', () => {
    const log = [];
    const failures = [];
    const register = ({ key }) => {
        if (key === 'bad') {
            throw new Error('no');
        }
        log.push(`+${key}`);
        return { dispose: () => log.push(`-${key}`) };
    };
    const list = new registrations.Registrations(register, offer => failures.push(offer?.key));
    list.apply({ removed: [], added: [{ key: 'a' }, { key: 'bad' }, { key: 'b' }] });
    assert.deepEqual(log.splice(0), ['+a', '+b']);
    list.apply({ removed: ['a', 'gone'], added: [{ key: 'c' }] });
    assert.deepEqual(log.splice(0), ['-a', '+c'], 'what goes makes room first');
    list.apply({ removed: ['b', 'c', 'a'], added: [] });
    assert.deepEqual(log, ['-b', '-c']);
    assert.deepEqual(failures, ['bad']);
});

/** A model of the editor, as far as edits go. */
function model(version) {
    const log = [];
    return {
        log,
        isDisposed: () => false,
        getVersionId: () => version,
        pushStackElement: () => log.push('|'),
        pushEditOperations: (_, edits) => log.push(edits)
    };
}

test('edits are one step, and only for the text that they were made for', () => {
    const range = { start: { line: 0, column: 2 }, end: { line: 1, column: 0 } };
    const fresh = model(7);
    assert.ok(applyEdits(fresh, [{ range, text: 'x' }], 7));
    assert.deepEqual(fresh.log, ['|', [{ range: { startLineNumber: 1, startColumn: 3, endLineNumber: 2, endColumn: 1 }, text: 'x' }], '|']);
    const changed = model(8);
    assert.equal(applyEdits(changed, [{ range, text: 'x' }], 7), false);
    assert.deepEqual(changed.log, []);
    assert.deepEqual(toEditRange(toMonacoRange(range)), range);
});

test('findings are shown at their files, and none takes those of before away', () => {
    const files = findingsByPath([{ message: 'a' }, { message: 'b', path: '/w/b' }, { message: 'c', path: null }], '/w/a');
    assert.deepEqual([...files].map(([path, of]) => [path, of.map(({ message }) => message).join('')]), [['/w/a', 'ac'], ['/w/b', 'b']]);
    assert.deepEqual([...findingsByPath([], '/w/a')], [['/w/a', []]]);
});

test('pieces of an answer become one text; thoughts stay out of what models get', () => {
    const first = new PluginAnswer({ part: 'text', text: 'a' });
    assert.ok(first.merge(new PluginAnswer({ part: 'text', text: 'b' })));
    assert.equal(first.asString(), 'ab');
    const thought = new PluginAnswer({ part: 'thought', text: 'hm' });
    assert.equal(first.merge(thought), false);
    assert.deepEqual([thought.asString(), thought.toLanguageModelMessage()], [undefined, []]);
    const place = new PluginAnswer({ part: 'reference', text: '/w/a', line: 1 });
    assert.equal(place.merge(new PluginAnswer({ part: 'reference', text: '/w/b' })), false);
    assert.deepEqual(new PluginAnswer(first.toSerializable().data).data, first.data);
});
