import assert from 'node:assert/strict';
import { test } from 'node:test';
import ledger from '../lib/browser/files/version-ledger.js';

const { VersionLedger } = ledger;

test('finds the version by the time that the editor knows', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, 'one');
    versions.see('/a', 2, 'two');
    assert.equal(versions.etagOf('/a', 1), 'one');
    assert.equal(versions.etagOf('/a', 2), 'two');
    assert.equal(versions.etagOf('/a', 3), undefined);
    assert.equal(versions.etagOf('/b', 1), undefined);
});

test('of two versions read at the same time the first stays, so that saving rather asks than overwrites', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, 'read by the editor');
    versions.see('/a', 1, 'read later by a search');
    assert.equal(versions.etagOf('/a', 1), 'read by the editor');
});

test('what was written here replaces what was read at the same time', () => {
    const versions = new VersionLedger();
    versions.see('/a', 1, 'read');
    versions.wrote('/a', 1, 'written');
    assert.equal(versions.etagOf('/a', 1), 'written');
});

test('keeps within its bounds and forgets what was used longest ago', () => {
    const versions = new VersionLedger(2, 2);
    versions.see('/a', 1, 'a1');
    versions.see('/b', 1, 'b1');
    versions.see('/a', 2, 'a2');
    versions.see('/c', 1, 'c1');
    assert.equal(versions.etagOf('/b', 1), undefined);
    assert.equal(versions.etagOf('/a', 1), 'a1');
    versions.see('/a', 3, 'a3');
    assert.equal(versions.etagOf('/a', 1), undefined);
    assert.equal(versions.etagOf('/a', 3), 'a3');
});

test('knows the files below a folder, not those of a namesake', () => {
    const versions = new VersionLedger();
    for (const path of ['/w/a', '/w/b/c', '/wide', '/w']) {
        versions.see(path, 1, 'x');
    }
    assert.deepEqual(versions.within('/w'), ['/w/a', '/w/b/c', '/w']);
    assert.deepEqual(versions.within('/'), ['/w/a', '/w/b/c', '/wide', '/w']);
});
