import type { LanguageModelMessage, ToolCallResult } from '@theia/ai-core';
import type { ChatMessage } from '../shell/shell-types';

type Complete<R extends ChatMessage['role']> = Required<Extract<ChatMessage, { role: R }>>;
/** A message whose lists are all there. */
type Message = Complete<'system'> | Complete<'user'> | Complete<'assistant'> | Complete<'tool'>;

/** What a model is told about a call that never ended: each call needs an answer. */
const NO_RESULT = 'The call was cancelled; there is no result.';

/** Theia's conversation as the server takes it. */
export function toChatMessages(messages: readonly LanguageModelMessage[]): ChatMessage[] {
    const out: Message[] = [];
    for (const message of messages) {
        append(out, message);
    }
    return answerAllCalls(out);
}

function append(out: Message[], message: LanguageModelMessage): void {
    switch (message.type) {
        case 'text':
            appendText(out, message.actor, message.text);
            break;
        case 'image': {
            const url = 'url' in message.image ? message.image.url : `data:${message.image.mimeType};base64,${message.image.base64data}`;
            const last = out.at(-1);
            // The server takes pictures as data only, so that it never fetches an address for a stranger.
            if (url.startsWith('data:')) {
                if (last?.role === 'user') {
                    last.images.push(url);
                } else {
                    out.push({ role: 'user', text: '', images: [url] });
                }
            }
            break;
        }
        case 'tool_use':
            openAssistant(out).tool_calls.push({ id: message.id, name: message.name, arguments: toArgumentsText(message.input) });
            break;
        case 'tool_result':
            out.push({ role: 'tool', call_id: message.tool_use_id, text: toResultText(message.content) });
            break;
        // What a model thought is its own, and what runs inside a provider does not exist here.
        case 'thinking':
        case 'server_tool_use':
        case 'compaction':
            break;
    }
}

function appendText(out: Message[], actor: 'user' | 'ai' | 'system', text: string): void {
    if (actor === 'system') {
        out.push({ role: 'system', text });
    } else if (actor === 'user') {
        out.push({ role: 'user', text, images: [] });
    } else if (text.length > 0) {
        const last = out.at(-1);
        if (last?.role === 'assistant' && last.tool_calls.length === 0) {
            last.text += text;
        } else {
            out.push({ role: 'assistant', text, tool_calls: [] });
        }
    }
}

function openAssistant(out: Message[]): Complete<'assistant'> {
    const last = out.at(-1);
    if (last?.role === 'assistant') {
        return last;
    }
    const fresh: Complete<'assistant'> = { role: 'assistant', text: '', tool_calls: [] };
    out.push(fresh);
    return fresh;
}

function answerAllCalls(messages: Message[]): Message[] {
    const answered = new Set(messages.filter(message => message.role === 'tool').map(message => message.call_id));
    return messages.flatMap(message => {
        if (message.role !== 'assistant') {
            return [message];
        }
        const open = message.tool_calls.filter(call => !answered.has(call.id));
        return [message, ...open.map((call): Message => ({ role: 'tool', call_id: call.id, text: NO_RESULT }))];
    });
}

function toArgumentsText(input: unknown): string {
    return typeof input === 'string' ? input : JSON.stringify(input ?? {});
}

/** A tool's answer as text for the model. */
export function toResultText(result: ToolCallResult): string {
    if (result === undefined || result === null) {
        return '';
    }
    if (typeof result === 'string') {
        return result;
    }
    const content = (result as { content?: unknown }).content;
    if (!Array.isArray(content)) {
        return JSON.stringify(result);
    }
    return content.map((part: { type: string; text?: string; data?: string }) => {
        switch (part.type) {
            case 'text': return part.text ?? '';
            case 'error': return `Error: ${part.data ?? ''}`;
            default: return `[${part.type}]`;
        }
    }).join('\n');
}
