import assert from 'node:assert/strict';
import { test } from 'node:test';
import context from '../lib/browser/search/context-lines.js';

test('a line between two matches is shown once', () => {
    const lines = new context.ContextLines();
    lines.add('f', { context: [3, 4, 6, 7, 8, 10, 11].map(line => ({ line, text: `l${line}` })) });
    const check = (line, span, before, after) => assert.deepEqual(lines.around('f', line, span, [5, 9], 2), { before, after }, `line ${line}`);
    check(5, 1, ['l3', 'l4'], ['l6', 'l7']);
    check(9, 1, ['l8'], ['l10', 'l11']);
    assert.deepEqual(lines.around('f', 4, 1, [4], 4), { before: ['l3'], after: [] });
    check(5, 2, ['l3', 'l4'], ['l7', 'l8']);
    assert.deepEqual(lines.around('g', 5, 1, [5], 2), { before: [], after: [] });
    lines.clear();
    check(5, 1, [], []);
});
