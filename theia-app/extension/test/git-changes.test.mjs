import assert from 'node:assert/strict';
import { test } from 'node:test';
import module from '../lib/browser/scm/git-changes.js';

const { marksRepository, meaningOf, nearestRoot } = module;

test('tells what a changed path means', () => {
    const check = (path, meaning) => assert.equal(meaningOf(path), meaning, path);
    check('src/main.rs', 'file');
    check('.gitignore', 'file');
    check('.github/x', 'file');
    check('.git/index', 'index');
    check('.git/index.lock', 'nothing');
    check('.git/HEAD', 'refs');
    check('.git/HEAD.lock', 'nothing');
    check('.git/refs/heads/main', 'refs');
    check('.git/refs/heads/main.lock', 'nothing');
    check('.git/rebase-merge/done', 'refs');
    check('.git/packed-refs', 'refs');
    check('.git/objects/ab/cd', 'nothing');
    check('.git/logs/HEAD', 'nothing');
    check('.git/COMMIT_EDITMSG', 'nothing');
    check('.git', 'nothing');
});

test('knows what shows that a repository came or went', () => {
    assert.ok(marksRepository('/w/a/.git') && marksRepository('/w/a/.git/HEAD'));
    assert.ok(!marksRepository('/w/a/.git/index') && !marksRepository('/w/a/git/HEAD'));
});

test('finds the nearest repository above a path', () => {
    const roots = ['/w', '/w/a', '/w/ab'].map(path => ({ path }));
    const check = (path, root) => assert.equal(nearestRoot(roots, path)?.path, root);
    check('/w/x', '/w');
    check('/w/a', '/w/a');
    check('/w/a/x', '/w/a');
    check('/w/abc', '/w');
    check('/elsewhere', undefined);
});
