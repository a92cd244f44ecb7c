import assert from 'node:assert/strict';
import { test } from 'node:test';
import answers from '../lib/browser/terminal/terminal-answers.js';
import ends from '../lib/browser/terminal/terminal-end.js';
import paths from '../lib/browser/terminal/terminal-paths.js';

const { TerminalEnd } = ends;

test('each end has its words', () => {
    assert.deepEqual(TerminalEnd.of({ code: 0 }), { label: 'ended', text: 'The program ended.', failed: false });
    assert.deepEqual(TerminalEnd.of({ code: 3 }), { label: 'exit code 3', text: 'The program ended with exit code 3.', failed: true });
    assert.match(TerminalEnd.of({ signal: 9 }).text, /signal 9 \(SIGKILL, killed\)/);
    assert.equal(TerminalEnd.of({ signal: 40 }).text, 'The program was ended by signal 40.');
    assert.equal(TerminalEnd.of({}).failed, false);
    for (const cause of ['memory', 'processes', 'disk', 'access_ended', 'host_lost']) {
        const end = TerminalEnd.of({ signal: 9, cause });
        assert.ok(end.failed && !/signal/.test(end.label) && end.text.length > 60, cause);
    }
});

test('answers of the terminal are kept back until somebody types', () => {
    const cursor = '\x1b[12;40R';
    const filter = new answers.AnswerFilter();
    const told = ['\x1b[?1;2c', '\x1b[>0;276;0c', '\x1b[0n', cursor, '\x1b[?2004;1$y', '\x1b]11;rgb:1e1e/1e1e/1e1e\x1b\\', '\x1bP1$r0m\x1b\\', cursor + cursor];
    assert.deepEqual(told.filter(answer => filter.passes(answer)), []);
    assert.ok(filter.passes('l'));
    assert.ok(filter.passes(cursor));
    for (const key of ['\x1b[A', '\x1bOP', '\r', '\x03', '\x1b', '\x1b[200~[12;40R\x1b[201~', 'c']) {
        assert.ok(new answers.AnswerFilter().passes(key), JSON.stringify(key));
    }
});

const IDE = { workspace: '/workspace/demo', home: '/home/coditect' };

test('paths of programs are found in the IDE', () => {
    const inside = { workspace: '/srv/data/w/1/files', home: '/srv/data' };
    const at = path => paths.toIdePath(path, inside, IDE);
    assert.equal(at('/srv/data/w/1/files'), '/workspace/demo');
    assert.equal(at('/srv/data/w/1/files/src/../a.rs'), '/workspace/demo/a.rs');
    assert.equal(at('/srv/data//.bashrc'), '/home/coditect/.bashrc');
    assert.equal(at('/srv/data/w/1/filesystem'), '/home/coditect/w/1/filesystem');
    assert.equal(at('/srv/database'), undefined);
    assert.equal(at('/srv/data/../../etc/passwd'), undefined);
    assert.equal(paths.toIdePath('/workspace/demo/x', IDE, IDE), '/workspace/demo/x');
});

test('the folder that a shell tells', () => {
    assert.equal(paths.toldFolder('file://vm/workspace/a b'), '/workspace/a b');
    assert.equal(paths.toldFolder('file:///x%20y%25z/ü'), '/x y%z/ü');
    assert.equal(paths.toldFolder('file://vm/bad%zz'), undefined);
    assert.equal(paths.toldFolder('https://vm/x'), undefined);
    assert.equal(paths.toldFolder('file://vm'), undefined);
});
