import assert from 'node:assert/strict';
import { test } from 'node:test';
import module from '../lib/browser/scm/blame-lines.js';

const { blameLines, relativeTime } = module;

test('finds the commit of each line', () => {
    const commits = [{ id: 'a' }, { id: 'b' }];
    const lines = blameLines({ commits, spans: [{ line: 1, lines: 2, commit: 0 }, { line: 3, lines: 1, commit: undefined }, { line: 4, lines: 3, commit: 1 }, { line: 9, lines: 1, commit: 0 }] });
    const ids = Array.from({ length: 11 }, (_, line) => lines.commitAt(line)?.id ?? '-').join('');
    assert.equal(ids, '-aa-bbb--a-');
    assert.deepEqual([1, 2, 3, 4, 5, 9].filter(line => lines.isFirst(line)), [1, 3, 4, 9]);
    assert.equal(blameLines({ commits: [], spans: [] }).commitAt(1), undefined);
});

test('says how long ago something was', () => {
    const now = 1_000_000_000_000;
    const check = (seconds, words) => assert.equal(relativeTime(now - seconds * 1000, now), words);
    check(-5, 'just now');
    check(59, 'just now');
    check(60, '1 minute ago');
    check(3 * 3600 + 5, '3 hours ago');
    check(86_400, 'yesterday');
    check(15 * 86_400, '2 weeks ago');
    check(400 * 86_400, 'last year');
});
