// A login whose access tokens end soon: the page renews them unseen, and who brings an old or a forged one is refused.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { run } from './harness/command-line.mjs';
import { launch, open, refused } from './harness/browser.mjs';
import { Ide } from './harness/ide.mjs';
import { PASSWORD, Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';

/** Life of an access token, in seconds. It ends with a whole second: one second might be over as soon as the token is there. */
const TOKEN_SECONDS = 2;

let browser, stack;

before(async () => {
    stack = await Stack.start({ flags: ['--access-token-seconds', String(TOKEN_SECONDS)] });
    browser = await launch();
});
after(async () => {
    await browser?.close();
    await stack?.stop();
});

test('the IDE works on past the end of its access token', async t => {
    const { context, page, faults } = await open(browser);
    t.after(() => context.close());
    // A call after the token's end is refused once and made again with a new token; the browser notes the first.
    faults.expect(refused(401));
    const person = await Person.register(context, stack.url, 'ada@example.org');
    const id = await person.workspace('session');
    fs.writeFileSync(path.join(stack.filesOf(id), 'note.txt'), 'before\n');
    const hasToken = async () => (await context.cookies(stack.url)).some(({ name }) => name === 'coditect_access');
    await eventually('the first token to end', async () => !(await hasToken()));
    let renewals = 0;
    let links = 0;
    page.on('response', answer => { renewals += answer.url().endsWith('/auth/refresh') && answer.ok() ? 1 : 0; });
    page.on('websocket', () => { links++; });
    const ide = new Ide(page);
    await page.goto(person.ideUrl(id));
    await ide.ready();
    await ide.openFromTree('note.txt');
    const before = renewals;
    await eventually('the page to renew its token by itself', () => renewals > before);
    await eventually('that token to end', async () => !(await hasToken()));
    await ide.typeAtEnd('after\n');
    await ide.save();
    assert.equal(fs.readFileSync(path.join(stack.filesOf(id), 'note.txt'), 'utf8'), 'before\nafter\n');
    fs.writeFileSync(path.join(stack.filesOf(id), 'later.txt'), 'made later\n');
    await ide.quickOpen('later', 'later.txt');
    await eventually('the text of the file', async () => (await ide.editorText()).includes('made later'));
    await ide.newTerminal();
    await ide.ready();
    assert.equal(links, 1, 'the link goes on when the token changes');
    assert.ok(page.url().startsWith(person.ideUrl(id)), 'nobody had to log in again');
    faults.assertNone();
});

test('a token that has ended, and forged ones', async t => {
    const { context } = await open(browser);
    t.after(() => context.close());
    const person = await Person.register(context, stack.url, 'bob@example.org');
    const { access_token: token, refresh_token: refresh } = await person.call('POST', 'auth/login', { email: person.email, password: PASSWORD });
    const refusal = async bearer => {
        const answer = await person.ask('GET', 'auth/me', undefined, { authorization: `Bearer ${bearer}` });
        return answer.ok() ? undefined : [answer.status(), (await answer.json()).code];
    };
    assert.deepEqual(await eventually('the token to end', () => refusal(token)), [401, 'auth.expired_token']);
    const fresh = (await person.call('POST', 'auth/refresh', { refresh_token: refresh })).access_token;
    const [head, body, signature] = fresh.split('.');
    const encode = value => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = JSON.parse(Buffer.from(body, 'base64url'));
    const forged = {
        'another signature': [head, body, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`],
        'no signature': [encode({ alg: 'none', typ: 'JWT' }), body, ''],
        'a longer life': [head, encode({ ...claims, exp: claims.exp + 3600 }), signature],
        'somebody else': [head, encode({ ...claims, sub: '00000000-0000-7000-8000-000000000000' }), signature],
    };
    for (const [what, segments] of Object.entries(forged)) {
        assert.deepEqual(await refusal(segments.join('.')), [401, 'auth.invalid_token'], what);
    }
    assert.deepEqual(await refusal('nonsense'), [401, 'auth.invalid_token']);
});

test('a life of no second at all is refused', async () => {
    const ended = await run(['serve', '--listen', '127.0.0.1:0', '--data', path.join(stack.dir, 'never'), '--access-token-seconds', '0']);
    assert.notEqual(ended.status, 0);
    assert.match(ended.stderr, /access_token_seconds.*it is 0 and must lie between 2 and \d+.*\(config\.bad_value\)/);
});
