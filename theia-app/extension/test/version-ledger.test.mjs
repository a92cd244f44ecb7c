import assert from 'node:assert/strict';
import { test } from 'node:test';
import ledger from '../lib/browser/files/version-ledger.js';

const { VersionLedger } = ledger;

test('finds the version by the time that the editor knows', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, { etag: 'one' });
    versions.see('/a', 2, { etag: 'two' });
    assert.equal(versions.find('/a', 1)?.etag, 'one');
    assert.equal(versions.find('/a', 2)?.etag, 'two');
    assert.equal(versions.find('/a', 3)?.etag, undefined);
    assert.equal(versions.find('/b', 1)?.etag, undefined);
});

test('of two versions read at the same time the first stays, so that saving rather asks than overwrites', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, { etag: 'read by the editor' });
    versions.see('/a', 1, { etag: 'read later by a search' });
    assert.equal(versions.find('/a', 1)?.etag, 'read by the editor');
});

test('what was written here replaces what was read at the same time', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, { etag: 'read' });
    versions.wrote('/a', 1, { etag: 'written' });
    assert.equal(versions.find('/a', 1)?.etag, 'written');
});

test('keeps within its bounds and forgets what was used longest ago', () => {
    const versions = new VersionLedger(2, 2);
    versions.see('/a', 1, { etag: 'a1' });
    versions.see('/b', 1, { etag: 'b1' });
    versions.see('/a', 2, { etag: 'a2' });
    versions.see('/c', 1, { etag: 'c1' });
    assert.equal(versions.find('/b', 1)?.etag, undefined);
    assert.equal(versions.find('/a', 1)?.etag, 'a1');
    versions.see('/a', 3, { etag: 'a3' });
    assert.equal(versions.find('/a', 1)?.etag, undefined);
    assert.equal(versions.find('/a', 3)?.etag, 'a3');
});

test('knows the files below a folder, not those of a namesake', () => {
    const versions = new VersionLedger();
    for (const path of ['/w/a', '/w/b/c', '/wide', '/w']) {
        versions.see(path, 1, { etag: 'x' });
    }
    assert.deepEqual(versions.within('/w'), ['/w/a', '/w/b/c', '/w']);
    assert.deepEqual(versions.within('/'), ['/w/a', '/w/b/c', '/wide', '/w']);
});
