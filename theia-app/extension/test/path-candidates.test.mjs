import assert from 'node:assert/strict';
import { test } from 'node:test';
import candidates from '../lib/browser/terminal/path-candidates.js';

/** What is found, as `path:line:column`, and the part of the line that is the link. */
function check(line, ...expected) {
    const found = candidates.pathCandidates(line).map(({ start, length, path, line: row, column }) =>
        [[path, row, column].filter(part => part !== undefined).join(':'), line.slice(start, start + length)]);
    assert.deepEqual(found, expected, line);
}

test('compilers', () => {
    check('error: src/main.rs:12:5', ['src/main.rs:12:5', 'src/main.rs:12:5']);
    check(' --> /workspace/w/src/main.rs:12:5', ['/workspace/w/src/main.rs:12:5', '/workspace/w/src/main.rs:12:5']);
    check('main.c:3:10: fatal error: x', ['main.c:3:10', 'main.c:3:10']);
    check('src/a.ts(12,5): error TS1', ['src/a.ts:12:5', 'src/a.ts(12,5)']);
    check('src/a.ts (12, 5) odd', ['src/a.ts:12:5', 'src/a.ts (12, 5)']);
    check('Makefile:7: *** missing', ['Makefile:7', 'Makefile:7']);
});

test('stack traces', () => {
    check('  File "/home/coditect/a.py", line 3, in <module>', ['/home/coditect/a.py:3', '/home/coditect/a.py", line 3']);
    check('    at run (/workspace/w/x.mjs:4:11)', ['/workspace/w/x.mjs:4:11', '/workspace/w/x.mjs:4:11']);
    check('in ~/notes.txt on line 8, column 2', ['~/notes.txt:8:2', '~/notes.txt on line 8, column 2']);
});

test('lists, searches and sentences', () => {
    check('src/a.rs:12:let x = 1;', ['src/a.rs:12', 'src/a.rs:12']);
    check('modified:   docs/über uns.md', ['docs/über', 'docs/über'], ['uns.md', 'uns.md']);
    check('See ./README.md.', ['./README.md', './README.md']);
    check('--config=conf/app.toml, please', ['conf/app.toml', 'conf/app.toml']);
    check('at src/a.rs:12.', ['src/a.rs:12', 'src/a.rs:12']);
});

test('what is none', () => {
    check('https://example.org/a.html and 12:30:45');
    check('all is well, 3.5 seconds ... done');
    check('x'.repeat(5000) + '/y');
});

test('a line of many names is bounded', () => {
    assert.equal(candidates.pathCandidates('a/b '.repeat(1000)).length, 16);
});
