import type { Door } from 'coditect-shell';

/** How a call was asked, for people. */
export const DOOR_NAMES: Readonly<Record<Door, string>> = {
    chat: 'OpenAI chat', responses: 'OpenAI responses', anthropic: 'Anthropic messages', gemini: 'Gemini', embeddings: 'Embeddings', ide: 'In the IDE',
};

/** One thing that was said. */
export interface Turn {
    role: string;
    text: string;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => Array.isArray(value) ? value : [];

function parsed(text: string): unknown {
    try {
        return JSON.parse(text);
    } catch {
        return undefined;
    }
}

/** What people read of a message's content, in whichever dialect; tools by their names. */
function wordsOf(content: unknown): string {
    if (typeof content === 'string') {
        return content;
    }
    if (Array.isArray(content)) {
        return content.map(wordsOf).filter(Boolean).join('\n');
    }
    if (!isObject(content)) {
        return '';
    }
    const tool = [content, content.function, content.functionCall].filter(isObject).find(({ name }) => typeof name === 'string');
    const call = tool && (tool.arguments ?? tool.input ?? tool.args);
    const parts = [content.text, content.content, content.parts, content.output, content.tool_calls].map(wordsOf);
    const called = call === undefined ? '' : `→ ${String(tool?.name)} ${typeof call === 'string' ? call : JSON.stringify(call)}`;
    return [...parts, called].filter(Boolean).join('\n');
}

/** The turns of a request, in any of the dialects; nothing where it is none or was cut off. */
export function turnsOf(question: string): Turn[] | undefined {
    const body = parsed(question);
    if (!isObject(body)) {
        return undefined;
    }
    const given = body.messages ?? body.contents ?? body.input;
    const system = wordsOf(body.system ?? body.instructions ?? body.systemInstruction ?? body.system_instruction);
    const turns = typeof given === 'string' ? [{ role: 'user', text: given }] : listOf(given).map(turn => ({
        role: isObject(turn) ? String(turn.role ?? turn.type ?? 'user') : 'user', text: wordsOf(turn),
    }));
    const all = [...(system ? [{ role: 'system', text: system }] : []), ...turns].filter(({ text }) => text !== '');
    return all.length > 0 ? all : undefined;
}

/** What an answer, or a piece of a streamed one, adds. */
function pieceOf(piece: unknown): string {
    if (!isObject(piece)) {
        return '';
    }
    const { type, delta } = piece;
    // The whole answer once more at a stream's end.
    if (typeof type === 'string' && type.startsWith('response.')) {
        return type === 'response.output_text.delta' && typeof delta === 'string' ? delta : '';
    }
    if (isObject(delta)) {
        return wordsOf(delta.text);
    }
    const choices = [...listOf(piece.choices), ...listOf(piece.candidates)].filter(isObject);
    return choices.length > 0 ? choices.map(choice => wordsOf(choice.delta ?? choice.message ?? choice.content)).join('') : wordsOf(piece.output ?? piece.content ?? piece.text);
}

/** The text of an answer, whole or streamed, in any of the dialects; nothing where there is none. */
export function answerOf(answer: string): string | undefined {
    const body = parsed(answer);
    const pieces = body === undefined ? answer.split('\n').filter(line => line.startsWith('data:')).map(line => parsed(line.slice('data:'.length))) : Array.isArray(body) ? body : [body];
    return pieces.map(pieceOf).join('') || undefined;
}
