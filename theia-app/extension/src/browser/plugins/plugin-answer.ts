import type { ChatResponseContent } from '@theia/ai-chat/lib/common/chat-model';
import type { SerializableChatResponseContentData } from '@theia/ai-chat/lib/common/chat-model-serialization';
import type { LanguageModelMessage } from '@theia/ai-core';

export const PLUGIN_ANSWER = 'coditectPluginAnswer';

export interface PluginAnswerData {
    /** What it is: Markdown, a thought before the answer, or the absolute path of a file. */
    readonly part: 'text' | 'thought' | 'reference';
    readonly text: string;
    /** Of the file, from 0. */
    readonly line?: number;
}

/**
 * A part of what a plugin answers in the chat. Theia's own Markdown runs commands by links, so that what plugins say has a kind of its
 * own, with a renderer of its own.
 */
export class PluginAnswer implements ChatResponseContent {

    readonly kind = PLUGIN_ANSWER;

    constructor(public data: PluginAnswerData) { }

    static is(content: ChatResponseContent): content is PluginAnswer {
        return content.kind === PLUGIN_ANSWER;
    }

    asString(): string | undefined {
        switch (this.data.part) {
            case 'text': return this.data.text;
            case 'reference': return this.data.text;
            case 'thought': return undefined;
        }
    }

    asDisplayString(): string | undefined {
        return this.asString();
    }

    /** Pieces of one text become one. */
    merge(next: ChatResponseContent): boolean {
        if (!PluginAnswer.is(next) || next.data.part !== this.data.part || this.data.part === 'reference') {
            return false;
        }
        this.data = { ...this.data, text: this.data.text + next.data.text };
        return true;
    }

    toLanguageModelMessage(): LanguageModelMessage | LanguageModelMessage[] {
        return this.data.part === 'thought' ? [] : { actor: 'ai', type: 'text', text: this.data.text };
    }

    toSerializable(): SerializableChatResponseContentData<PluginAnswerData> {
        return { kind: PLUGIN_ANSWER, fallbackMessage: this.asString(), data: this.data };
    }
}
