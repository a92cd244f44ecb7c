// How files and answers leave the server, through nginx: compressed, kept by browsers as long as they are good, and read by no other site.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { Stack, parts } from './harness/stack.mjs';

const ORIGIN = 'https://tools.example.org';
/** Origins that look like the one in the settings. */
const STRANGERS = ['https://tools.example.org.evil.example', 'http://tools.example.org', 'https://tools.example.org:8443', 'https://eviltools.example.org', 'null'];
const IMMUTABLE = 'public, max-age=31536000, immutable';
const UNPACK = { br: brotliDecompressSync, gzip: gunzipSync, identity: body => body };
/** The pages, by the directory of their files. */
const PAGES = { '/': parts.web, '/theia/': parts.theia };

let stack, open;

before(async () => {
    stack = await Stack.start();
    open = await Stack.start({ flags: ['--cors-origins', ORIGIN] });
});
after(() => Promise.all([stack?.stop(), open?.stop()]));

/** One request as it stands; nothing is unpacked, followed or asked again. */
function ask(url, { method = 'GET', headers = {} } = {}) {
    return new Promise((resolve, reject) => {
        http.request(url, { method, headers, agent: false }, answer => {
            const chunks = [];
            answer.on('data', chunk => chunks.push(chunk));
            answer.on('error', reject);
            answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks) }));
        }).on('error', reject).end();
    });
}

/** The scripts and styles of a page, as the addresses in its text. */
async function assetsOf(page) {
    const { body } = await ask(new URL(page, stack.url));
    const names = [...body.toString().matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)].map(([, name]) => name);
    assert.ok(names.some(name => name.endsWith('.js')) && names.some(name => name.endsWith('.css')), `${page}: ${names}`);
    return names.map(name => new URL(name, new URL(page, stack.url)));
}

describe('what a page loads', () => {
    for (const [page, dir] of Object.entries(PAGES)) {
        test(`${page} comes compressed and is kept for good`, async () => {
            for (const url of await assetsOf(page)) {
                const built = path.join(dir, url.pathname.slice(page.length));
                const content = fs.readFileSync(built);
                for (const [encoding, unpack] of Object.entries(UNPACK)) {
                    const answer = await ask(url, { headers: { 'accept-encoding': encoding } });
                    const what = `${url.pathname} as ${encoding}`;
                    assert.equal(answer.status, 200, what);
                    assert.equal(answer.headers['content-encoding'] ?? 'identity', encoding, what);
                    assert.ok(unpack(answer.body).equals(content), `${what} is the built file`);
                    assert.equal(answer.headers['cache-control'], IMMUTABLE, what);
                    assert.match(answer.headers.vary ?? '', /accept-encoding/i, what);
                    if (encoding === 'br' && fs.existsSync(`${built}.br`)) {
                        assert.ok(answer.body.equals(fs.readFileSync(`${built}.br`)), `${what} is the copy that was compressed beforehand`);
                    }
                }
                const likeBrowsers = await ask(url, { headers: { 'accept-encoding': 'gzip, deflate, br, zstd' } });
                assert.equal(likeBrowsers.headers['content-encoding'], 'br', `${url.pathname} as browsers ask for it`);
            }
        });
    }

    for (const page of Object.keys(PAGES)) {
        test(`${page} itself is asked for each time, and sent only when it changed`, async () => {
            const url = new URL(page, stack.url);
            for (const encoding of ['br', 'identity']) {
                const headers = { 'accept-encoding': encoding };
                const first = await ask(url, { headers });
                assert.deepEqual([first.status, first.headers['cache-control']], [200, 'no-cache']);
                assert.match(first.headers['content-type'], /^text\/html/);
                const { etag } = first.headers;
                assert.match(etag ?? '', /^(W\/)?".+"$/, `${page} as ${encoding}`);
                const again = await ask(url, { headers: { ...headers, 'if-none-match': etag } });
                assert.deepEqual([again.status, again.body.length, again.headers.etag], [304, 0, etag], `${page} as ${encoding}`);
                assert.equal(again.headers['cache-control'], 'no-cache');
                const changed = await ask(url, { headers: { ...headers, 'if-none-match': '"another"' } });
                assert.deepEqual([changed.status, changed.body.equals(first.body)], [200, true]);
            }
        });
    }
});

describe('other sites', () => {
    const from = (origin, rest = {}) => ({ headers: { origin, ...rest } });
    const preflight = origin => ({
        method: 'OPTIONS', ...from(origin, { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'content-type,x-coditect-csrf' }),
    });
    const allowed = answer => answer.headers['access-control-allow-origin'];

    test('by default none may read an answer', async () => {
        for (const origin of [ORIGIN, ...STRANGERS]) {
            for (const route of ['api/v5/workspaces', 'api/v5/auth/me', 'health', 'theia/', '']) {
                const url = new URL(route, stack.url);
                assert.equal(allowed(await ask(url, from(origin))), undefined, `${origin} at /${route}`);
                assert.equal(allowed(await ask(url, preflight(origin))), undefined, `${origin} before /${route}`);
            }
        }
    });

    test('with the setting exactly the named one may', async () => {
        const url = new URL('api/v5/workspaces', open.url);
        const answer = await ask(url, from(ORIGIN));
        assert.equal(answer.status, 401, 'who is not logged in gets no more than before');
        assert.deepEqual([allowed(answer), answer.headers['access-control-allow-credentials']], [ORIGIN, 'true']);
        assert.match(answer.headers.vary, /origin/i);
        const before = await ask(url, preflight(ORIGIN));
        assert.deepEqual([before.status, allowed(before), before.headers['access-control-allow-credentials']], [200, ORIGIN, 'true']);
        const list = name => before.headers[name].toLowerCase().split(/,\s*/);
        for (const method of ['get', 'post', 'put', 'patch', 'delete']) { assert.ok(list('access-control-allow-methods').includes(method), method); }
        for (const header of ['content-type', 'x-coditect-csrf']) { assert.ok(list('access-control-allow-headers').includes(header), header); }
        for (const origin of STRANGERS) {
            assert.equal(allowed(await ask(url, from(origin))), undefined, origin);
            assert.equal(allowed(await ask(url, preflight(origin))), undefined, origin);
        }
    });
});
