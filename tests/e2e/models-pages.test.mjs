// The pages about language models: what an admin says, what a person may ask and has asked, keys, and what is kept, against a provider of
// our own that answers at once.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before } from 'node:test';
import { launch, open, picture, refused } from './harness/browser.mjs';
import { PASSWORD, Person } from './harness/person.mjs';
import { eventually } from './harness/process.mjs';
import { Stack } from './harness/stack.mjs';
import { steps } from './harness/steps.mjs';

const ADMIN = 'ada@example.org';
const MEMBER = 'bob@example.org';
const QUESTION = 'Is <img src=x onerror=alert(1)> a tag?';
const ANSWER = 'Yes, <b>it</b> is.';
const KEY = 'sk-bobs-own-key-4711';
/** Width of a phone's page, in pixels. */
const NARROW = { width: 390, height: 844 };

let browser, stack, provider, ada, bob, token;

/** A provider of the OpenAI dialect that answers one thing, and remembers with which keys it was asked. */
class Provider {
    keys = [];

    async start() {
        this.server = http.createServer((request, response) => {
            request.resume().on('end', () => {
                const json = body => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
                if (request.url.endsWith('/models')) {
                    json({ object: 'list', data: [{ id: 'echo', object: 'model', created: 0, owned_by: 'test' }] });
                } else {
                    this.keys.push(request.headers.authorization);
                    json({
                        id: 'c', object: 'chat.completion', created: 0, model: 'echo', choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: ANSWER } }],
                        usage: { prompt_tokens: 1_000, completion_tokens: 500, total_tokens: 1_500 },
                    });
                }
            });
        });
        await new Promise(resolve => this.server.listen(0, '127.0.0.1', resolve));
        return this;
    }
    get url() { return `http://127.0.0.1:${this.server.address().port}`; }
    stop() {
        this.server.closeAllConnections();
        return new Promise(resolve => this.server.close(resolve));
    }
}

before(async () => {
    provider = await new Provider().start();
    stack = await Stack.start({ flags: ['--first-login', ADMIN], upstreams: [`mill=${provider.url}`] });
    browser = await launch();
    ada = await open(browser);
    const first = JSON.parse(fs.readFileSync(path.join(stack.data, 'first-login.json'), 'utf8'));
    ada.person = new Person(ada.context, stack.url, ADMIN);
    await ada.person.call('POST', 'auth/login', { email: ADMIN, password: first.password });
    bob = await open(browser);
    bob.person = await Person.register(bob.context, stack.url, MEMBER);
    token = (await bob.person.call('POST', 'auth/tokens', { name: 'programs', scopes: ['llm'], expires_in_days: 1, password: PASSWORD })).token;
});
after(async () => {
    await browser?.close();
    await stack?.stop();
    await provider?.stop();
});

const step = steps('models-pages', () => [ada, bob]);

const button = (page, name) => page.getByRole('button', { name, exact: true });
const part = (page, name) => page.getByRole('region', { name, exact: true });
const row = (page, caption, text) => page.getByRole('region', { name: caption, exact: true }).getByRole('row').filter({ hasText: text });
async function visit({ page }, route, heading) {
    await page.goto(stack.url + route);
    await page.getByRole('heading', { name: heading, level: 1, exact: true }).waitFor();
}
/** Asks a model as a program does, and is answered. */
async function ask(model) {
    const answer = await fetch(`${stack.url}api/v5/llm/v1/chat/completions`, {
        method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'user-agent': 'letter-writer/1.0' },
        body: JSON.stringify({ model, max_tokens: 500, messages: [{ role: 'user', content: QUESTION }] }),
    });
    assert.equal(answer.status, 200, await answer.text());
}

step('an admin gives a model a name, a price and a budget; a gap is shown beside its field', async () => {
    const { page } = ada;
    await visit(ada, 'admin/models', 'Models');
    await button(page, 'Add a name').click();
    await page.keyboard.type('quick');
    await part(page, 'Other names').getByLabel('Model', { exact: true }).fill('mill/echo');
    await button(page, 'Add a price').click();
    await page.keyboard.type('mill/*');
    await part(page, 'Prices').getByLabel('Read').fill('100');
    await button(page, 'Save').click();
    const written = part(page, 'Prices').getByLabel('Written');
    await part(page, 'Prices').getByText('An amount in dollars').waitFor();
    assert.ok(await written.evaluate(field => field === document.activeElement), 'the focus is where something is missing');
    await picture(page, 'models-policy-gap');
    await page.keyboard.type('200');
    await button(page, 'Add a budget').click();
    await part(page, 'Budgets').getByLabel('Dollars').fill('20');
    await button(page, 'Save').click();
    await page.getByText('Saved. It counts from now on.').waitFor();
    const { version, policy } = await ada.person.call('GET', 'admin/llm/policy');
    assert.equal(version, 1);
    assert.deepEqual(policy.budgets, [{ scope: 'person', limit: 20, period: 'month' }]);
    assert.deepEqual(policy.aliases, [{ name: 'quick', targets: [{ model: 'mill/echo', weight: 1 }], fallbacks: [] }]);
});

step('two admins at once: what both typed is saved, and nothing is overwritten unasked', async () => {
    const { page, faults, person } = ada;
    const { version, policy } = await person.call('GET', 'admin/llm/policy');
    await part(page, 'Budgets').getByLabel('Dollars').fill('40');
    await person.call('PUT', 'admin/llm/policy', { version, policy: { ...policy, limits: [{ scope: 'person', requests_per_minute: 100 }] } });
    await faults.during([refused(409)], async () => {
        await button(page, 'Save').click();
        await page.getByText('llm.policy_changed').waitFor();
    });
    await picture(page, 'models-policy-changed');
    await button(page, 'Load theirs and keep what I changed').click();
    await page.getByText('Version 2 is loaded').waitFor();
    assert.equal(await part(page, 'Limits').getByLabel('Requests').inputValue(), '100');
    assert.equal(await part(page, 'Budgets').getByLabel('Dollars').inputValue(), '40');
    await button(page, 'Save').click();
    await page.getByText('Saved. It counts from now on.').waitFor();
    const now = await person.call('GET', 'admin/llm/policy');
    assert.deepEqual([now.version, now.policy.budgets[0].limit, now.policy.limits.length], [3, 40, 1]);
});

step('a team is made of people, and has a key of its own', async () => {
    const { page } = ada;
    await button(page, 'Add a team').click();
    await page.keyboard.type('Writers');
    await part(page, 'Teams').getByLabel('Members').selectOption(MEMBER);
    await button(page, `Remove ${MEMBER} from Writers`).waitFor();
    await button(page, 'Save').click();
    await page.getByText('Saved. It counts from now on.').waitFor();
    await visit(ada, 'admin/model-keys', 'Model keys');
    await button(page, 'Add a key').click();
    await page.getByLabel('Provider').selectOption('mill');
    await page.getByLabel('For', { exact: true }).selectOption('Team Writers');
    await page.getByLabel('Name', { exact: true }).fill('Of the team');
    await page.getByLabel('Key', { exact: true }).fill('sk-of-the-team-0815');
    await button(page, 'Keep the key').click();
    await page.getByText('For team Writers').waitFor();
    await picture(page, 'models-admin-keys');
    await ask('quick');
    assert.equal(provider.keys.at(-1), 'Bearer sk-of-the-team-0815');
});

step('a person sees what is left, adds a key of their own, and it pays from then on', async () => {
    const { page } = bob;
    await visit(bob, 'account/models', 'Models');
    await page.getByRole('meter', { name: 'You, a month' }).waitFor();
    await page.getByText('Your team: Writers').waitFor();
    await page.getByText('quick', { exact: true }).waitFor();
    assert.equal(await page.locator('.door .secret').first().textContent(), `${stack.url}api/v5/llm/v1`);
    await button(page, 'Add a key').click();
    await page.getByLabel('Provider').selectOption('mill');
    await page.getByLabel('Name', { exact: true }).fill('Mine');
    await page.getByLabel('Key', { exact: true }).fill(KEY);
    await picture(page, 'models-add-key');
    await button(page, 'Keep the key').click();
    await page.getByRole('heading', { name: /^Mine/ }).waitFor();
    assert.ok(!(await page.content()).includes(KEY), 'the key is not shown again');
    await picture(page, 'models-account');
    await ask('quick');
    assert.equal(provider.keys.at(-1), `Bearer ${KEY}`);
});

step('nothing is kept before the person says so; then it is shown as text, and deleted', async () => {
    const { page } = bob;
    await visit(bob, 'account/history', 'History');
    await page.getByText('Nothing is kept.').waitFor();
    await page.getByRole('switch').click();
    await page.getByText('Nothing is kept yet').waitFor();
    await eventually('the conversation to be kept', async () => {
        await ask('quick');
        return (await bob.person.call('GET', 'llm/history')).entries.length > 0;
    });
    await page.reload();
    await page.getByRole('button', { name: /^Show what mill\/echo/ }).first().click();
    await page.getByRole('dialog').getByText(QUESTION, { exact: true }).waitFor();
    await page.getByRole('dialog').getByText(ANSWER, { exact: true }).waitFor();
    assert.equal(await page.getByRole('dialog').locator('img, b').count(), 0);
    await picture(page, 'models-conversation');
    await button(page, 'Done').click();
    await page.getByRole('switch').click();
    await button(page, 'Delete it all').click();
    await page.getByText('Nothing is kept.').waitFor();
    assert.deepEqual((await bob.person.call('GET', 'llm/history')).entries, []);
});

step('usage is told in bars and figures, and fetched as a file', async () => {
    const { page } = bob;
    await eventually('the calls to be written down', async () => (await bob.person.call('GET', 'llm/calls')).calls.length >= 3);
    await visit(bob, 'account/usage', 'Usage');
    await page.getByRole('img', { name: 'Cost by model' }).waitFor();
    await row(page, 'Sums by model', 'mill/echo').waitFor();
    // A thousand tokens at a hundred dollars a million, and five hundred at two hundred.
    await row(page, 'Latest calls', 'mill/echo').first().getByText('$0.20').waitFor();
    await picture(page, 'models-usage');
    await page.getByLabel('Time', { exact: true }).selectOption('Today');
    await page.getByLabel('Told apart by').selectOption('Agent');
    await row(page, 'Sums by agent', 'letter-writer').waitFor();
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download CSV').click()]);
    const lines = fs.readFileSync(await download.path(), 'utf8').trim().split('\r\n');
    assert.match(lines[0], /^id,at,user/);
    assert.ok(lines.length > 3 && lines[1].includes('mill/echo'), lines[1]);
});

step('an admin sees who it was', async () => {
    const { page } = ada;
    await visit(ada, 'admin/model-usage', 'Model usage');
    await page.getByLabel('Told apart by').selectOption('Person');
    await row(page, 'Sums by person', MEMBER).waitFor();
    await row(page, 'Latest calls', MEMBER).first().waitFor();
    await picture(page, 'models-admin-usage');
});

step('on a phone nothing is wider than the page', async () => {
    const pages = [[bob, 'account/models', 'Models'], [bob, 'account/usage', 'Usage'], [bob, 'account/history', 'History'], [ada, 'admin/models', 'Models'], [ada, 'admin/model-keys', 'Model keys'], [ada, 'admin/model-usage', 'Model usage']];
    for (const [who, route, heading] of pages) {
        await who.page.setViewportSize(NARROW);
        await visit(who, route, heading);
        await who.page.locator('[aria-busy]').first().waitFor({ state: 'detached' });
        const beyond = await who.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        assert.ok(beyond <= 0, `${route} is ${beyond} pixels too wide`);
        await picture(who.page, `models-narrow-${route.replace('/', '-')}`);
    }
});
