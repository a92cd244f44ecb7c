import {
    createToolCallError, LanguageModel, LanguageModelResponse, LanguageModelStatus, LanguageModelStreamResponsePart, ToolCall, ToolCallResult, ToolInvocationContext,
    ToolRequest, UserRequest
} from '@theia/ai-core/lib/common/language-model';
import { CancellationToken } from '@theia/core';
import type { Shell } from 'coditect-shell';
import { toAbortSignal } from '../shell/abort';
import { ShellProblem } from '../shell/shell-problem';
import type { ChatDelta, ChatEnd, ChatMessage, ChatRequest, ModelInfo } from '../shell/shell-types';
import { AsyncQueue } from './async-queue';
import { toChatMessages, toResultText } from './chat-messages';

/** Most times that a model may call tools within one answer. */
export const MAX_TOOL_ROUNDS = 25;

type ModelCall = { id: string; name: string; arguments: string };
type RoundEvent = { readonly delta: ChatDelta } | { readonly end: ChatEnd };

/** A model of the server. Its tools run here, where Theia asks the person before they do. */
export class ShellLanguageModel implements LanguageModel {

    readonly id: string;
    readonly name: string;
    readonly vendor: string;
    readonly maxInputTokens: number | undefined;
    readonly status: LanguageModelStatus = { status: 'ready' };

    constructor(info: ModelInfo, protected readonly shell: Pick<Shell, 'chat'>) {
        this.id = info.id;
        this.name = info.name;
        this.vendor = info.upstream;
        this.maxInputTokens = info.context_tokens ?? undefined;
    }

    async request(request: UserRequest, token?: CancellationToken): Promise<LanguageModelResponse> {
        return { stream: this.answer(request, token ?? request.cancellationToken) };
    }

    protected async *answer(request: UserRequest, token: CancellationToken | undefined): AsyncGenerator<LanguageModelStreamResponsePart> {
        const messages = toChatMessages(request.messages);
        for (let round = 0; round < MAX_TOOL_ROUNDS; round++) {
            let text = '';
            const calls: ModelCall[] = [];
            for await (const event of this.round(request, messages, token)) {
                if ('end' in event) {
                    yield* atEnd(event.end);
                    continue;
                }
                switch (event.delta.type) {
                    case 'text':
                        text += event.delta.text;
                        yield { content: event.delta.text };
                        break;
                    case 'reasoning':
                        yield { thought: event.delta.text, signature: '' };
                        break;
                    case 'tool_call':
                        calls.push(event.delta);
                        yield { tool_calls: [toToolCall(event.delta)] };
                }
            }
            if (calls.length === 0 || token?.isCancellationRequested) {
                return;
            }
            const results = await Promise.all(calls.map(call => runTool(request.tools, call, token)));
            yield { tool_calls: calls.map((call, index) => ({ ...toToolCall(call), finished: true, result: results[index] })) };
            messages.push({ role: 'assistant', text, tool_calls: calls.map(({ id, name, arguments: args }) => ({ id, name, arguments: args })) });
            calls.forEach((call, index) => messages.push({ role: 'tool', call_id: call.id, text: toResultText(results[index]) }));
        }
        yield { content: `\n\n*Stopped after ${MAX_TOOL_ROUNDS} rounds of tools. Write “continue” to go on.*` };
    }

    /** One exchange with the model. */
    protected async *round(request: UserRequest, messages: ChatMessage[], token: CancellationToken | undefined): AsyncGenerator<RoundEvent> {
        const queue = new AsyncQueue<RoundEvent>();
        this.shell.chat(this.toRequest(request, messages), (delta: ChatDelta) => queue.push({ delta }), toAbortSignal(token)).then(
            end => {
                queue.push({ end });
                queue.end();
            },
            error => token?.isCancellationRequested ? queue.end() : queue.fail(new Error(ShellProblem.describe(error)))
        );
        yield* queue;
    }

    protected toRequest(request: UserRequest, messages: ChatMessage[]): ChatRequest {
        const { max_tokens, temperature } = request.settings ?? {};
        return {
            model: this.id,
            messages,
            tools: (request.tools ?? []).map(({ name, description, parameters }) => ({ name, description: description ?? '', parameters: JSON.stringify(parameters) })),
            max_tokens: typeof max_tokens === 'number' ? max_tokens : undefined,
            temperature: typeof temperature === 'number' ? temperature : undefined
        };
    }
}

function* atEnd({ reason, usage }: ChatEnd): Generator<LanguageModelStreamResponsePart> {
    if (reason === 'length') {
        yield { content: '\n\n*The answer was cut: the bound on tokens was reached.*' };
    } else if (reason === 'content_filter') {
        yield { content: '\n\n*The provider withheld the rest of the answer.*' };
    }
    if (usage) {
        yield { input_tokens: usage.input_tokens, output_tokens: usage.output_tokens, cache_read_input_tokens: usage.cached_tokens };
    }
}

function toToolCall({ id, name, arguments: args }: ModelCall): ToolCall {
    return { id, finished: false, function: { name, arguments: args } };
}

/** A fault of a tool is an answer that the model can react to, never the end of the conversation. */
async function runTool(tools: readonly ToolRequest[] | undefined, call: ModelCall, token: CancellationToken | undefined): Promise<ToolCallResult> {
    const tool = tools?.find(({ id, name }) => name === call.name || id === call.name);
    if (!tool) {
        return createToolCallError(`There is no tool “${call.name}”.`, 'tool-not-available');
    }
    try {
        return await tool.handler(call.arguments, ToolInvocationContext.create(call.id, token));
    } catch (error) {
        return createToolCallError(ShellProblem.describe(error));
    }
}
