// The guide for authors of plugins, step by step as it is written, in each of its languages, and what comes of it in the IDE.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Author, finish } from './harness/author.mjs';
import { launch, open, picture } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { Person } from './harness/person.mjs';
import { Stack } from './harness/stack.mjs';

const ADMIN = 'admin@example.org';
const GUIDE = fileURLToPath(new URL('../../docs/plugins/guide.md', import.meta.url));
const LANGUAGES = ['Rust', 'JavaScript', 'TypeScript', 'Python', 'C'];
/** What a language's steps take at the most, in milliseconds. */
const GUIDE_MS = 900_000;

/**
 * The guide's chapters for a language: what stands in each to be executed. What stands below the heading of a language is for it alone; what is
 * only indented is not executed, because it is done by hand, or by whoever prepares the machine.
 */
function chapters(language) {
    const found = [];
    let below, script;
    for (const line of fs.readFileSync(GUIDE, 'utf8').split('\n')) {
        if (script !== undefined) {
            if (line === '```') { script = undefined; } else if (script) { found.at(-1).script += `${line}\n`; }
        } else if (line.startsWith('## ')) {
            found.push({ title: line.slice(3), script: '' });
            below = undefined;
        } else if (line.startsWith('### ')) {
            below = line.slice(4);
        } else if (line === '```sh') {
            script = below === undefined || below === language;
            // Each begins where the guide begins.
            if (script && found.at(-1).script) { found.at(-1).script += 'cd "$GUIDE"\n'; }
        }
    }
    return found.filter(({ script }) => script);
}

let browser, stack;

before(async () => {
    stack = await Stack.start({ flags: ['--first-login', ADMIN] });
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

for (const language of LANGUAGES) {
    test(`the guide works in ${language}`, { timeout: GUIDE_MS }, async () => {
        const { page, context, faults } = await open(browser);
        const { password } = JSON.parse(fs.readFileSync(path.join(stack.data, 'first-login.json'), 'utf8'));
        const person = Object.assign(new Person(context, stack.url, ADMIN), { password });
        await person.call('POST', 'auth/login', { email: ADMIN, password });
        // A workspace and a publisher for each, as if each were the first.
        const id = await person.workspace(`Playground ${language}`);
        const author = new Author(path.join(stack.dir, language), person);
        await author.begin();
        fs.rmSync(author.key);
        const ide = new Ide(page);
        await page.goto(person.ideUrl(id));
        await ide.ready();
        const greet = async words => {
            await ide.clearMessages();
            await ide.command('Hello there: Greet');
            await ide.message(words).waitFor({ timeout: 120_000 });
        };
        for (const { title, script } of chapters(language)) {
            const mine = script.replaceAll('--workspace Playground', `--workspace '${`Playground ${language}`}'`).replaceAll('--publisher acme', `--publisher acme-${language.toLowerCase()}`);
            await finish('bash', ['-euo', 'pipefail', '-c', mine], { cwd: author.dir, env: { ...author.env, GUIDE: author.dir } });
            if (title.startsWith('4.')) { await greet(/Hello, world!/); }
            if (title.startsWith('6.')) { await greet(/Good day, world!/); }
        }
        await picture(page, `guide-${language.toLowerCase()}`);
        const { plugins } = await person.call('GET', `plugins/registry?q=acme-${language.toLowerCase()}`);
        assert.deepEqual(plugins.map(({ id, version }) => [id, version]), [[`acme-${language.toLowerCase()}.hello-there`, '0.1.0']]);
        faults.assertNone();
        await context.close();
    });
}

test('every chapter is executed in some language', () => {
    const executed = new Set(LANGUAGES.flatMap(language => chapters(language).map(({ title }) => title[0])));
    assert.deepEqual([...executed].sort(), ['1', '2', '3', '4', '5', '6', '7']);
});
