import assert from 'node:assert/strict';
import { test } from 'node:test';
import permissions from '../lib/browser/files/permissions.js';

const { describePermissions, parsePermissions } = permissions;

test('permissions are shown as ls shows them', () => {
    assert.equal(describePermissions(0o644), 'rw-r--r--');
    assert.equal(describePermissions(0o751), 'rwxr-x--x');
    assert.equal(describePermissions(0), '---------');
});

test('permissions are read as chmod and ls write them', () => {
    for (const bits of [0, 0o1, 0o644, 0o750, 0o777]) {
        assert.equal(parsePermissions(describePermissions(bits)), bits);
        assert.equal(parsePermissions(bits.toString(8).padStart(3, '0')), bits);
    }
    assert.equal(parsePermissions(' 0755 '), 0o755);
});

test('anything else is refused', () => {
    for (const text of ['', '8', '77', '4755', '888', 'rw-r--r-', 'wr-r--r--', 'rw-r--r--x', '0o644', '-1']) {
        assert.equal(parsePermissions(text), undefined, text);
    }
});
