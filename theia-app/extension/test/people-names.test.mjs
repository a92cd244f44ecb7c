import assert from 'node:assert/strict';
import { test } from 'node:test';
import names from '../lib/browser/people/names.js';

const { listed, nameOf, signOf } = names;
const person = (name, own = false) => ({ user: 'u', name, own, showing: { open: [], unsaved: [] } });

test('somebody is shown by two letters', () => {
    const sign = name => signOf(person(name));
    assert.equal(sign('ada'), 'AD');
    assert.equal(sign('ada@example.org'), 'AD');
    assert.equal(sign('ada.lovelace@example.org'), 'AL');
    assert.equal(sign('x'), 'X');
    assert.equal(sign(''), '?');
    assert.equal(sign('--'), '?');
});

test('oneself in another page is no other', () => {
    assert.equal(nameOf(person('ada')), 'ada');
    assert.equal(nameOf(person('ada', true)), 'You (in another page)');
    assert.equal(nameOf(person('')), 'Somebody');
});

test('names are listed as people say them', () => {
    assert.equal(listed([]), '');
    assert.equal(listed(['Ada']), 'Ada');
    assert.equal(listed(['Ada', 'Bob']), 'Ada and Bob');
    assert.equal(listed(['Ada', 'Bob', 'Eve']), 'Ada, Bob and Eve');
});
