// Where clients are let loose: the gateway with one scripted upstream of each dialect behind it, and a person who may ask models.
//
// With `CODITECT_CLIENTS_DIRECT` set there is no gateway, and each client talks to the upstream of its own dialect: so it is seen whether a
// client, the scripted upstream or the gateway is at fault.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, freePort } from '../../e2e/harness/process.mjs';
import { Stack } from '../../e2e/harness/stack.mjs';
import { MODEL, NO_MODEL, REFUSALS, USAGE, VECTOR } from './answers.mjs';
import { DIALECTS } from './doors.mjs';
import { Tap } from './tap.mjs';

/** Longest that one scene of a test may take, in milliseconds: most take a few. */
export const SCENE = { timeout: 15_000 };
export const DIRECT = Boolean(process.env.CODITECT_CLIENTS_DIRECT);
/** Base URL of the real model server; empty where none could be had. */
export const REAL = process.env.CODITECT_TEST_MODEL_URL ?? '';
/** The real model server among the upstreams, by each dialect that it speaks. */
export const REAL_NAMES = { chat: 'real-chat', anthropic: 'real-anthropic' };
const REAL_MODEL = 'smollm2-135m';
/** What the gateway shows to upstreams; no client may come to know it, and no upstream what the client shows. */
const UPSTREAM_KEY = 'upstream-key-0123456789';
const PASSWORD = 'violet teapot 9 marches';
/** Where the gateway's doors are. */
const DOORS_AT = 'api/v5/llm';

/** What a dialect's upstream answers that the scripted one lacks, by what the path ends with. */
const OWN = {
    chat: [[/\/models$/, () => ({ object: 'list', data: [{ id: MODEL, object: 'model', created: 1, owned_by: 'test' }] })]],
    anthropic: [
        [/\/count_tokens$/, () => ({ input_tokens: USAGE.input })],
        [/\/models$/, () => ({
            data: [{ type: 'model', id: MODEL, display_name: MODEL, created_at: '2026-01-01T00:00:00Z' }], has_more: false, first_id: MODEL, last_id: MODEL,
        })],
    ],
    gemini: [
        [/:countTokens$/, () => ({ totalTokens: USAGE.input })],
        [/:batchEmbedContents$/, ({ json }) => ({ embeddings: json.requests.map(() => ({ values: VECTOR })) })],
        [/\/models$/, () => ({ models: [{ name: `models/${MODEL}`, displayName: MODEL, supportedGenerationMethods: ['generateContent', 'countTokens'] }] })],
    ],
};
OWN.responses = OWN.chat;

/** What the scripted upstream says wrongly: calls end like any other answer at the owner of this dialect. */
const MEND = { gemini: text => text.replace('"finishReason":"FUNCTION_CALL"', '"finishReason":"STOP"') };

function own(dialect) {
    return seen => {
        // The owner of the dialect has two names for its version, the scripted upstream one.
        if (dialect === 'gemini') { seen.onward = seen.path.replace(/^\/v1\/models/, '/v1beta/models') + seen.query; }
        return OWN[dialect].find(([path]) => path.test(seen.path))?.[1](seen);
    };
}

const version = dialect => dialect === 'gemini' ? 'v1beta' : 'v1';

export class Ground {
    /**
     * Starts all there is; `behind` puts nginx in front of the gateway, and before that a tap, `front`. `only` is a name for the one upstream
     * that the gateway has then.
     */
    static async start({ behind = false, only } = {}) {
        const ground = new Ground();
        try {
            await ground.startUpstreams();
            if (!DIRECT) { await ground.startGateway(behind, only); }
        } catch (error) {
            await ground.stop();
            throw error;
        }
        return ground;
    }
    async startUpstreams() {
        this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-clients-'));
        process.once('exit', () => fs.rmSync(this.dir, { recursive: true, force: true }));
        const port = await freePort();
        const url = `http://127.0.0.1:${port}`;
        const program = fileURLToPath(new URL('upstream.mjs', import.meta.url));
        this.upstream = new Process('upstream', process.execPath, [program, String(port), UPSTREAM_KEY], { logDir: this.dir });
        await this.upstream.ready(`${url}/health`);
        this.taps = {};
        for (const dialect of DIALECTS) { this.taps[dialect] = await Tap.start(url, { own: own(dialect), mend: MEND[dialect] }); }
        for (const name of REAL ? Object.values(REAL_NAMES) : []) { this.taps[name] = await Tap.start(new URL(REAL).origin); }
    }
    async startGateway(behind, only) {
        // One that refuses may be given a rest by the gateway: each refusal has an upstream of its own, so that no test waits for another's.
        const upstreams = only ? [[only, 'chat', `${this.taps.chat.url}/v1`]] : DIALECTS.flatMap(dialect => [dialect, ...Object.keys(REFUSALS).map(refusal => `${dialect}-${refusal}`)].map(name => [
            name, dialect, `${this.taps[dialect].url}/${version(dialect)}`,
        ]));
        if (REAL && !only) { upstreams.push(...Object.entries(REAL_NAMES).map(([dialect, name]) => [name, dialect, `${this.taps[name].url}/v1`])); }
        const lines = upstreams.flatMap(([name, dialect, url]) => [
            '[[llm_upstream]]', `name = "${name}"`, `dialect = "${dialect}"`, `base_url = "${url}"`, `api_key = "${UPSTREAM_KEY}"`, '',
        ]);
        const config = path.join(this.dir, 'coditect.toml');
        fs.writeFileSync(config, lines.join('\n'), { mode: 0o600 });
        this.stack = await Stack.start({ nginx: behind, upstreams: [], flags: ['--config', config] });
        Object.assign(this, await person(this.stack.url));
        if (behind) { this.front = await Tap.start(this.stack.url); }
        this.base = new URL(DOORS_AT, this.front?.url ?? this.stack.url).href;
    }
    /** Where and as whom a client asks what an upstream has; `failing` are models of upstreams that refuse, by how they do it. */
    place(upstream) {
        const base = DIRECT ? this.taps[upstream].url : this.base;
        const named = (model, at = upstream) => DIRECT ? model : `${at}/${model}`;
        const model = Object.values(REAL_NAMES).includes(upstream) ? REAL_MODEL : MODEL;
        const failing = Object.fromEntries(Object.keys(REFUSALS).map(refusal => [refusal, named(MODEL, `${upstream}-${refusal}`)]));
        return {
            openai: `${base}/v1`, anthropic: base, gemini: base, key: DIRECT ? UPSTREAM_KEY : this.key, model: named(model), noModel: named(NO_MODEL), failing,
        };
    }
    /** What clients asked at the door of an upstream's model. */
    heard(upstream) { return (DIRECT ? this.taps[upstream] : this.front).seen; }

    /** The requests that an upstream got since the last time, after a look that no key is where it does not belong. */
    asked(upstream) {
        const seen = this.taps[upstream].take();
        if (!DIRECT) { seen.forEach(({ text, path }) => assert.ok(!text.includes(this.key), `${path} at the upstream holds the person's token`)); }
        return seen;
    }
    /** As the person in their browser. */
    call(route, body) { return call(this.stack.url, route, body, this.session); }

    async stop() {
        await this.front?.stop();
        await this.stack?.stop();
        await Promise.all(Object.values(this.taps ?? {}).map(tap => tap.stop()));
        await this.upstream?.stop();
        fs.rmSync(this.dir, { recursive: true, force: true });
    }
}

/** A new person: their session, their id, and a token that is good for models only. */
async function person(url) {
    const { access_token: session, session: { user } } = await call(url, 'auth/register', { email: 'clients@example.org', password: PASSWORD });
    const { token: key } = await call(url, 'auth/tokens', { name: 'clients', scopes: ['llm'], expires_in_days: 1, password: PASSWORD }, session);
    return { session, user: user.id, key };
}

/** Asks the API, with a body where there is one; it must not refuse. */
async function call(url, route, body, bearer) {
    const headers = { 'content-type': 'application/json', ...(bearer && { authorization: `Bearer ${bearer}` }) };
    const answer = await fetch(`${url}api/v5/${route}`, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
    assert.ok(answer.ok, `${route}: ${answer.status} ${await answer.clone().text()}`);
    return answer.json();
}
