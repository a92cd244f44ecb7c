import assert from 'node:assert/strict';
import { test } from 'node:test';
import module from '../lib/browser/scm/git-names.js';
import uris from '../lib/browser/scm/git-uri.js';

const { branchNameProblem, folderNameOf, remoteUrlProblem } = module;

test('takes the names that git takes', () => {
    for (const name of ['main', 'fix/a-b', 'v1.0', 'ä', 'a@b', 'a{b']) {
        assert.equal(branchNameProblem(name), undefined, name);
    }
    for (const name of ['', ' ', 'a b', 'a..b', '-a', '.a', 'a/.b', 'a/', '/a', 'a//b', 'a.', 'a.lock', 'a.lock/b', 'a~1', 'a^', 'a:b', 'a?', 'a*', 'a[', 'a\\b', 'a@{b', '@', 'a\tb']) {
        assert.notEqual(branchNameProblem(name), undefined, name);
    }
});

test('names a folder by the address of a repository', () => {
    const check = (url, name) => assert.equal(folderNameOf(url), name);
    check('https://git.example.org/me/project.git', 'project');
    check('https://git.example.org/me/project/', 'project');
    check('git@git.example.org:project.git', 'project');
});

test('takes addresses over https and ssh, and no others', () => {
    for (const url of ['https://git.example.org/a.git', 'ssh://git@git.example.org/a', 'git@git.example.org:a/b.git', 'https://[::1]:8443/a.git', 'git@[2001:db8::1]:a/b.git']) {
        assert.equal(remoteUrlProblem(url), undefined, url);
    }
    for (const url of ['', 'http://git.example.org/a', 'file:///etc', '/etc', 'ext::sh -c x', '--upload-pack=x', 'https://git.example.org', 'git.example.org:a', 'git@[::1:a', 'git@[ext::x]:a']) {
        assert.notEqual(remoteUrlProblem(url), undefined, url);
    }
});

test('an address names a version', () => {
    const { fromGitUri, isFixed, toVersion } = uris;
    assert.equal(toVersion(''), 'index');
    assert.equal(toVersion(':ours'), 'ours');
    assert.deepEqual(toVersion('HEAD'), { revision: 'HEAD' });
    // An object's own members are no versions.
    assert.deepEqual(toVersion('constructor'), { revision: 'constructor' });
    assert.ok(isFixed('0123456789abcdef0123456789abcdef01234567') && isFixed(':empty'));
    assert.ok(!isFixed('HEAD') && !isFixed('') && !isFixed('0123456'));
    assert.equal(fromGitUri({ scheme: 'file', query: '{"ref":""}' }), undefined);
    assert.equal(fromGitUri({ scheme: 'coditect-git', query: 'nonsense' }), undefined);
    assert.equal(fromGitUri({ scheme: 'coditect-git', query: '{"ref":1}' }), undefined);
});
