import assert from 'node:assert/strict';
import { test } from 'node:test';
import { excerpt, filesOf, summary } from '../src/patch.js';
import { guessed, scopeOf, unwrapped, written } from '../src/propose.js';

const RULES = { types: ['feat', 'fix', 'docs', 'chore'], headerLength: 72, diffLength: 1000 };
const PATCH = `diff --git a/src/list/read.js b/src/list/read.js
index 1..2 100644
--- a/src/list/read.js
+++ b/src/list/read.js
@@ -1,2 +1,2 @@
-old
+new
+diff --git is only a word here
diff --git a/src/list/new.js b/src/list/new.js
new file mode 100644
--- /dev/null
+++ b/src/list/new.js
@@ -0,0 +1 @@
+one
diff --git a/old name.md b/new name.md
similarity index 100%
rename from old name.md
rename to new name.md
diff --git a/gone b/gone
deleted file mode 100644
--- a/gone
+++ /dev/null
@@ -1 +0,0 @@
-one
`;

test('a patch is taken apart', () => {
  const files = filesOf(PATCH);
  assert.equal(summary(files), 'M src/list/read.js +2 -1\nA src/list/new.js +1 -0\nR new name.md +0 -0\nD gone +0 -1');
  assert.equal(files.map(({ text }) => text).join(''), PATCH);
  assert.deepEqual(filesOf(''), []);
});

test('a long patch is cut where lines end, and small files stay whole', () => {
  const [small] = filesOf(PATCH);
  const large = { ...small, path: 'large', text: `head\n${'+line\n'.repeat(1000)}` };
  const cut = excerpt([large, small], 1000);
  assert.ok(cut.includes(small.text.trimEnd()) && cut.includes('+line\n[… cut off]'));
  assert.ok(cut.length <= 1050);
  assert.equal(excerpt([large], 2), '');
});

test('a model that breaks the rules is told so, and then believed no more', () => {
  const asked = [];
  const answers = ['```\nWrong\n```', '"fix(list): read empty lists"'];
  const ask = (messages) => {
    asked.push(messages.length);
    return answers[asked.length - 1];
  };
  assert.equal(written(filesOf(PATCH), 'a hint', RULES, ask), 'fix(list): read empty lists');
  assert.deepEqual(asked, [2, 4]);
  assert.equal(written(filesOf(PATCH), '', RULES, () => 'Wrong'), null);
});

test('fences and quotes of models are taken off', () => {
  assert.equal(unwrapped('  ```text\nfix: it\n\nWhy.\n```\n'), 'fix: it\n\nWhy.');
  assert.equal(unwrapped('`fix: it`'), 'fix: it');
  assert.equal(unwrapped('fix: "it"'), 'fix: "it"');
});

test('without a model, paths say what they can', () => {
  const files = (...all) => all.map(([change, path]) => ({ change, path, added: 0, removed: 0, text: '' }));
  assert.equal(guessed(files(['modified', 'docs/a.md'], ['modified', 'docs/b.md']), RULES), 'docs: update a.md and b.md');
  const build = { ...RULES, types: ['feat', 'build'] };
  assert.equal(guessed(files(['modified', 'Makefile'], ['modified', 'a/requirements.txt']), build), 'build: update Makefile and requirements.txt');
  assert.equal(guessed(files(['added', 'src/list/new.js']), RULES), 'feat(list): add new.js');
  assert.equal(guessed(files(['deleted', 'a.js'], ['modified', 'b.js']), RULES), 'chore: update a.js and b.js');
  assert.equal(guessed(files(['modified', `src/${'a'.repeat(90)}.js`]), RULES), 'chore: update a file');
  assert.equal(guessed(files(['modified', 'tests/a.js']), { ...RULES, types: ['fix'] }), 'fix(tests): update a.js');
  assert.equal(scopeOf(['src/a/x/1', 'src/a/y/2']), 'a');
  assert.equal(scopeOf(['src/ab/1', 'src/a/2']), null);
  assert.equal(scopeOf(['.github/workflows/a.yml']), 'workflows');
  assert.equal(scopeOf(['one']), null);
  assert.equal(scopeOf(['a/b/1', '2']), null);
});
