/** What is read of an OpenAPI 3.1 document; everything may be missing. */
export interface Schema {
    $ref?: string;
    type?: string | string[];
    format?: string;
    description?: string;
    enum?: unknown[];
    const?: unknown;
    default?: unknown;
    items?: Schema;
    prefixItems?: Schema[];
    properties?: Record<string, Schema>;
    additionalProperties?: Schema | boolean;
    required?: string[];
    oneOf?: Schema[];
    anyOf?: Schema[];
    allOf?: Schema[];
}

interface Content { content?: Record<string, { schema?: Schema }> }
interface Parameter { $ref?: string; name?: string; in?: string; description?: string; required?: boolean; schema?: Schema }

interface RawOperation {
    operationId?: string;
    summary?: string;
    description?: string;
    tags?: string[];
    parameters?: Parameter[];
    requestBody?: Content & { description?: string; required?: boolean };
    responses?: Record<string, Content & { description?: string }>;
}

export interface Document {
    info?: { title?: string; version?: string; description?: string };
    servers?: { url?: string }[];
    tags?: { name?: string; description?: string }[];
    paths?: Record<string, Record<string, RawOperation>>;
    components?: { schemas?: Record<string, Schema> };
}

/** A type in words; a piece that names a type of the document leads there. */
export type Words = readonly (string | { type: string })[];

export interface FieldText {
    name: string;
    words: Words;
    required: boolean;
    description: string;
}

/** A type with all that can stand in it; a choice has several variants. */
export interface TypeText {
    name: string;
    description: string;
    words: Words;
    variants: { words: Words; description: string; fields: FieldText[] }[];
}

export interface Operation {
    anchor: string;
    method: string;
    path: string;
    summary: string;
    description: string;
    parameters: (FieldText & { place: string })[];
    bodies: { media: string; words: Words; fields: FieldText[] }[];
    answers: { status: string; description: string; words: Words }[];
}

export interface Group {
    anchor: string;
    name: string;
    description: string;
    operations: Operation[];
}

export interface Api {
    title: string;
    version: string;
    description: string;
    groups: Group[];
    types: TypeText[];
}

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
/** How deep references lead into each other before they are left as names. */
const MAX_DEPTH = 8;

export const typeAnchor = (name: string) => `type-${name}`;

/** An anchor out of words: only what can stand in an address as it is. */
function anchorOf(text: string): string {
    return text.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');
}

const typeNameOf = (ref: string) => ref.split('/').at(-1) ?? ref;

/** A document as it is shown: groups of routes, then the types. */
export function readApi(document: Document): Api {
    const base = (document.servers?.[0]?.url ?? '').replace(/\/$/, '');
    const groups = new Map<string, Group>();
    const groupOf = (name: string, description = ''): Group => {
        const group = groups.get(name) ?? { anchor: `group-${anchorOf(name)}`, name, description, operations: [] };
        groups.set(name, group);
        return group;
    };
    document.tags?.forEach(({ name, description }) => name && groupOf(name, description));
    for (const [path, item] of Object.entries(document.paths ?? {})) {
        for (const method of METHODS) {
            const raw = item[method];
            if (raw) {
                groupOf(raw.tags?.[0] ?? 'other').operations.push(operationOf(method, base + path, raw, document));
            }
        }
    }
    const types = Object.entries(document.components?.schemas ?? {}).map(([name, schema]) => typeOf(name, schema, document));
    return {
        title: document.info?.title ?? 'API', version: document.info?.version ?? '', description: document.info?.description ?? '',
        groups: [...groups.values()].filter(group => group.operations.length > 0), types: types.toSorted((a, b) => a.name.localeCompare(b.name)),
    };
}

function operationOf(method: string, path: string, raw: RawOperation, document: Document): Operation {
    const summary = (raw.summary ?? raw.description?.split('\n')[0] ?? raw.operationId ?? '').trim();
    const rest = (raw.description ?? '').trim();
    return {
        anchor: anchorOf(`${method} ${path}`), method: method.toUpperCase(), path, summary,
        description: rest.startsWith(summary) ? rest.slice(summary.length).trim() : rest,
        parameters: (raw.parameters ?? []).map(parameter => ({
            name: parameter.name ?? '', place: parameter.in ?? '', required: parameter.required ?? false, description: parameter.description ?? '', words: wordsOf(parameter.schema),
        })),
        bodies: Object.entries(raw.requestBody?.content ?? {}).map(([media, { schema }]) => ({ media, words: wordsOf(schema), fields: fieldsOf(schema, document) })),
        answers: Object.entries(raw.responses ?? {}).map(([status, answer]) => ({
            status, description: answer.description ?? '', words: wordsOf(Object.values(answer.content ?? {})[0]?.schema),
        })),
    };
}

function typeOf(name: string, schema: Schema, document: Document): TypeText {
    const choices = choicesOf(schema);
    const isChoice = choices !== undefined && !choices.every(isPlainValue);
    const variants = (isChoice ? choices : [schema])
        .map(variant => ({ words: isChoice ? tagOf(variant) ?? wordsOf(variant) : [], description: isChoice ? variant.description ?? '' : '', fields: fieldsOf(variant, document) }));
    return { name, description: schema.description ?? '', words: isChoice || variants.some(({ fields }) => fields.length > 0) ? [] : wordsOf(schema), variants };
}

const choicesOf = ({ oneOf, anyOf }: Schema) => oneOf ?? anyOf;
const isPlainValue = (schema: Schema) => schema.enum !== undefined || schema.const !== undefined || schema.type === 'null';

/** What tells a variant from the others: a property with one value. */
function tagOf({ properties }: Schema): Words | undefined {
    const tag = Object.entries(properties ?? {}).find(([, { enum: values, const: value }]) => values?.length === 1 || value !== undefined);
    return tag && [`${tag[0]}: ${JSON.stringify(tag[1].const ?? tag[1].enum?.[0])}`];
}

/** The fields of an object, those of what it is made of included. */
function fieldsOf(schema: Schema | undefined, document: Document, depth = 0): FieldText[] {
    if (!schema || depth > MAX_DEPTH) {
        return [];
    }
    if (schema.$ref) {
        return fieldsOf(document.components?.schemas?.[typeNameOf(schema.$ref)], document, depth + 1);
    }
    const inherited = (schema.allOf ?? []).flatMap(part => fieldsOf(part, document, depth + 1));
    const own = Object.entries(schema.properties ?? {}).map(([name, field]) => ({
        name, words: wordsOf(field), required: schema.required?.includes(name) ?? false, description: describe(field),
    }));
    return [...inherited, ...own];
}

function describe({ description, default: usual }: Schema): string {
    return [description, usual !== undefined && usual !== null ? `Default: ${JSON.stringify(usual)}.` : ''].filter(Boolean).join(' ');
}

/** A type in words. */
export function wordsOf(schema: Schema | undefined): Words {
    if (!schema) {
        return [];
    }
    if (schema.$ref) {
        return [{ type: typeNameOf(schema.$ref) }];
    }
    const choices = choicesOf(schema) ?? (schema.allOf?.length === 1 ? schema.allOf : undefined);
    if (choices) {
        return joined(choices.map(wordsOf), ' or ');
    }
    if (schema.const !== undefined || schema.enum) {
        return [(schema.enum ?? [schema.const]).map(value => JSON.stringify(value)).join(' or ')];
    }
    const types = [schema.type ?? (schema.properties ? 'object' : 'anything')].flat();
    return joined(types.map(type => oneType(type, schema)), ' or ');
}

function oneType(type: string, { items, prefixItems, format, additionalProperties }: Schema): Words {
    switch (type) {
        case 'array': return prefixItems ? ['list of ', ...joined(prefixItems.map(wordsOf), ', ')] : ['list of ', ...(items ? wordsOf(items) : ['anything'])];
        case 'object': return typeof additionalProperties === 'object' ? ['object of ', ...wordsOf(additionalProperties)] : ['object'];
        default: return [format && format !== 'int32' && format !== 'int64' ? `${type} (${format})` : type];
    }
}

function joined(all: Words[], between: string): Words {
    return all.flatMap((words, index) => index === 0 ? [...words] : [between, ...words]);
}

/** The groups with only the routes in which each word of a query stands. */
export function foundIn(groups: readonly Group[], query: string): Group[] {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean);
    return groups.map(group => ({ ...group, operations: group.operations.filter(operation => isIn(operation, group, words)) })).filter(group => group.operations.length > 0);
}

function isIn(operation: Operation, group: Group, words: readonly string[]): boolean {
    const types = [...operation.bodies, ...operation.answers].flatMap(each => each.words.map(word => typeof word === 'string' ? word : word.type));
    const fields = [...operation.parameters, ...operation.bodies.flatMap(body => body.fields)].map(field => field.name);
    const codes = operation.answers.map(answer => `${answer.status} ${answer.description}`);
    const text = [group.name, operation.method, operation.path, operation.summary, operation.description, ...types, ...fields, ...codes].join('\n').toLowerCase();
    return words.every(word => text.includes(word));
}
