import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { doing, fill, named, one, render } from '../test/render';
import { ApiDocs } from './ApiDocs';

const document_ = {
    info: { title: 'Coditect', version: '1' },
    servers: [{ url: '/api/v5' }],
    paths: {
        '/auth/me': { get: { tags: ['auth'], summary: 'Who is logged in.', responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Me' } } } } } } },
        '/auth/tokens': { post: { tags: ['tokens'], summary: 'Makes a `token`.', responses: { 409: { description: '`auth.too_many_tokens`' } } } },
    },
    components: { schemas: { Me: { properties: { login: { type: 'string', description: '<b>no</b> markup' } } } } },
};

const fetched = vi.fn<typeof fetch>();
beforeEach(() => { vi.stubGlobal('fetch', fetched.mockReset()); });
afterEach(() => { vi.unstubAllGlobals(); });
const answer = () => new Response(JSON.stringify(document_), { status: 200 });

async function show(): Promise<void> {
    await render(<ApiDocs />);
    await doing(() => undefined);
}

test('routes, types and text are shown as they are', async () => {
    fetched.mockResolvedValue(answer());
    await show();
    expect([...document.querySelectorAll('.route h3')].map(heading => heading.textContent)).toEqual(['GET /api/v5/auth/me', 'POST /api/v5/auth/tokens', 'Me']);
    expect(one('#get-api-v5-auth-me .answers a').getAttribute('href')).toBe('#type-Me');
    expect(one('#type-Me .fields dd').textContent).toContain('<b>no</b> markup');
    expect(one('#post-api-v5-auth-tokens p code').textContent).toBe('token');
});

test('one route is found by a code that it answers', async () => {
    fetched.mockResolvedValue(answer());
    await show();
    await fill('[type=search]', 'too_many');
    expect([...document.querySelectorAll('.route h3')].map(heading => heading.textContent)).toEqual(['POST /api/v5/auth/tokens']);
    expect(one('[role=status]').textContent).toBe('1 route found');
});

test('a description that does not come can be asked for again', async () => {
    fetched.mockRejectedValueOnce(new TypeError('no network'));
    await show();
    expect(one('.problem').textContent).toContain('page.no_api');
    fetched.mockResolvedValue(answer());
    await doing(() => named('Try again').click());
    expect(document.querySelectorAll('.route')).toHaveLength(3);
});
