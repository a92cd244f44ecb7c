import { expect, test } from 'vitest';
import { foundIn, readApi, wordsOf, type Document } from './openapi';

const document: Document = {
    info: { title: 'Coditect', version: '1' },
    servers: [{ url: '/api/v5/' }],
    tags: [{ name: 'unused' }, { name: 'tokens', description: 'Tokens' }],
    paths: {
        '/auth/tokens': {
            post: {
                tags: ['tokens'], description: 'Makes a token.\n\nNeeds a login.',
                requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/NewToken' } } } },
                responses: { 201: { content: { 'application/json': { schema: { type: 'array', items: { $ref: '#/components/schemas/Token' } } } } }, 409: { description: '`auth.too_many_tokens`' } },
            },
        },
        '/auth/tokens/{id}': { delete: { operationId: 'revoke', parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'string', format: 'uuid' } }] } },
    },
    components: {
        schemas: {
            NewToken: { allOf: [{ $ref: '#/components/schemas/Named' }, { type: 'object', required: ['days'], properties: { days: { type: 'integer', format: 'int32', default: 30 } } }] },
            Named: { properties: { name: { type: 'string', description: 'What it is for.' } } },
            Loop: { allOf: [{ $ref: '#/components/schemas/Loop' }] },
            Source: { oneOf: [{ properties: { type: { type: 'string', enum: ['git'] }, url: { type: 'string' } } }, { properties: { type: { const: 'empty' } } }] },
            Token: { type: ['string', 'null'] },
        },
    },
};

test('routes are grouped, and groups without one left out', () => {
    const api = readApi(document);
    expect(api.groups.map(group => [group.name, group.operations.map(operation => `${operation.method} ${operation.path}`)])).toEqual([
        ['tokens', ['POST /api/v5/auth/tokens']], ['other', ['DELETE /api/v5/auth/tokens/{id}']],
    ]);
    const [make] = api.groups[0]?.operations ?? [];
    expect(make).toMatchObject({ anchor: 'post-api-v5-auth-tokens', summary: 'Makes a token.', description: 'Needs a login.' });
    expect(make?.bodies[0]?.fields.map(({ name, required, description }) => [name, required, description])).toEqual([['name', false, 'What it is for.'], ['days', true, 'Default: 30.']]);
    expect(make?.answers[0]?.words).toEqual(['list of ', { type: 'Token' }]);
});

test('types: variants by what tells them apart, and one that contains itself ends', () => {
    const types = new Map(readApi(document).types.map(type => [type.name, type]));
    expect(types.get('Source')?.variants.map(variant => [variant.words, variant.fields.map(field => field.name)])).toEqual([[['type: "git"'], ['type', 'url']], [['type: "empty"'], ['type']]]);
    expect(types.get('Token')?.words).toEqual(['string', ' or ', 'null']);
    expect(types.get('Loop')?.variants[0]?.fields).toEqual([]);
});

test('words of types', () => {
    expect(wordsOf({ enum: ['a', 'b'] })).toEqual(['"a" or "b"']);
    expect(wordsOf({ oneOf: [{ type: 'null' }, { $ref: '#/components/schemas/X' }] })).toEqual(['null', ' or ', { type: 'X' }]);
    expect(wordsOf({ type: 'object', additionalProperties: { type: 'string', format: 'uuid' } })).toEqual(['object of ', 'string (uuid)']);
    expect(wordsOf({})).toEqual(['anything']);
});

test('a route is found by its path, its fields and its codes', () => {
    const { groups } = readApi(document);
    const found = (query: string) => foundIn(groups, query).flatMap(group => group.operations.map(operation => operation.method));
    expect(found('')).toEqual(['POST', 'DELETE']);
    expect(found('tokens days')).toEqual(['POST']);
    expect(found('too_many 409')).toEqual(['POST']);
    expect(found('delete {id}')).toEqual(['DELETE']);
    expect(found('nothing')).toEqual([]);
});

test('an empty document is no reason to fail', () => {
    expect(readApi({})).toMatchObject({ groups: [], types: [] });
});
