import assert from 'node:assert/strict';
import { test } from 'node:test';
import patterns from '../lib/browser/search/search-patterns.js';

const { expandGlob, expandGlobs, parseSize } = patterns;

test('sizes', () => {
    const check = (text, expected) => assert.equal(parseSize(text, -1), expected, text);
    check('20M', 20 * 1024 ** 2);
    check(' 1.5k ', 1536);
    check('2G', 2 * 1024 ** 3);
    check('512', 512);
    check('', -1);
    check('20X', -1);
    check('-1', -1);
    check(undefined, -1);
});

test('globs', () => {
    const check = (glob, expected, roots) => assert.deepEqual(expandGlob(glob, roots), expected, glob);
    check('*.ts', ['**/*.ts', '**/*.ts/**']);
    check('src', ['**/src', '**/src/**']);
    check('src/', ['**/src', '**/src/**']);
    check('./src', ['src', 'src/**']);
    check('/src', ['src', 'src/**']);
    check('**/x', ['**/x', '**/x/**']);
    check('src/**', ['**/src/**']);
    check('a\\b', ['**/a/b', '**/a/b/**']);
    check('  ', []);
    check('/workspace/demo/src', ['src', 'src/**'], ['/workspace/demo']);
    check('/workspace/demo', ['**'], ['/workspace/demo']);
    check('/workspace/demolition', ['workspace/demolition', 'workspace/demolition/**'], ['/workspace/demo']);
    assert.deepEqual(expandGlobs(['a', 'a']), ['**/a', '**/a/**']);
    assert.deepEqual(expandGlobs(undefined), []);
});
