import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cleaned, faults, parse, told } from '../src/conventional.js';

const RULES = { types: ['feat', 'fix', 'docs'], headerLength: 50 };
const texts = (message) => faults(message, RULES).map(({ severity, line, text }) => `${severity} ${line} ${text}`);

test('a message is read whole', () => {
  const message = 'feat(api)!: drop version 1\n\nNobody asked for it.\n\nReviewed-by: Zoë\nCloses #12\nBREAKING CHANGE: clients\n  must move';
  assert.deepEqual(parse(message), {
    type: 'feat',
    scope: 'api',
    breaking: true,
    description: 'drop version 1',
    body: 'Nobody asked for it.',
    footers: [
      { token: 'Reviewed-by', value: 'Zoë' },
      { token: 'Closes', value: '#12' },
      { token: 'BREAKING CHANGE', value: 'clients\n  must move' },
    ],
  });
  assert.equal(parse('Fixed it'), null);
  assert.equal(parse('fix: it').breaking, false);
});

test('comments, the patch below the scissors and blanks are no part of it', () => {
  const scissors = '# ------------------------ >8 ------------------------';
  assert.equal(cleaned(`\r\nfix: it  \r\n# a comment\n\nWhy.\n\n${scissors}\ndiff --git a b`), 'fix: it\n\nWhy.');
});

test('a good message has no faults, nor has one that git wrote', () => {
  for (const message of ['fix: accept empty lists', 'feat(a b)!: it\n\nBREAKING CHANGE: all', 'Merge branch "x"', 'fixup! fix: it', 'fix: URLs']) {
    assert.deepEqual(texts(message), [], message);
  }
  assert.equal(told([]), 'The message follows Conventional Commits.');
});

test('each fault is told with its line', () => {
  assert.match(texts('')[0], /^error 1 The message is empty/u);
  assert.match(texts('Fixed it')[0], /^error 1 The first line must be written/u);
  assert.match(texts('Fix: it')[0], /lower case: `fix`/u);
  assert.match(texts('wip: it')[0], /`wip` is no known type/u);
  assert.match(texts('fix(): it')[0], /scope is empty/u);
  assert.match(texts('fix:it')[0], /must be a space/u);
  assert.match(texts('fix: ')[0], /description is missing/u);
  assert.match(texts('fix: it.')[0], /^warning 1 .*full stop/u);
  assert.match(texts('fix: It fails')[0], /^warning 1 .*lower case/u);
  assert.match(texts(`fix: ${'ü'.repeat(46)}`)[0], /51 characters; at most 50/u);
  assert.match(texts('fix: it\nWhy')[0], /^error 2 Between/u);
  assert.match(texts('fix: it\n\nBreaking change: all')[0], /^error 3 A breaking change/u);
  assert.equal(told(faults('wip: it.', RULES)).split('\n').length, 2);
});
