import { ChatResponseContent } from '@theia/ai-chat/lib/common/chat-model';
import { ChatResponsePartRenderer } from '@theia/ai-chat-ui/lib/browser/chat-response-part-renderer';
import { EditorManager } from '@theia/editor/lib/browser';
import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { MarkdownBlocks } from './markdown-blocks';
import { PluginAnswer } from './plugin-answer';

/** Draws what plugins answer in the chat. */
@injectable()
export class PluginAnswerRenderer implements ChatResponsePartRenderer<PluginAnswer> {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(EditorManager) protected readonly editors: EditorManager;

    canHandle(content: ChatResponseContent): number {
        return PluginAnswer.is(content) ? 10 : -1;
    }

    render({ data: { part, text, line } }: PluginAnswer): React.ReactNode {
        const markdown = () => <MarkdownBlocks blocks={this.host.shell.readMarkdown(text)} onOpen={path => this.open(this.host.rootUri.resolve(path))} />;
        switch (part) {
            case 'text': return <div className='plugin-markdown'>{markdown()}</div>;
            case 'thought': return <details className='plugin-markdown'><summary>Thoughts</summary>{markdown()}</details>;
            case 'reference': {
                const name = this.host.rootUri.relative(fileUri(text))?.toString() ?? text;
                return <p><button type='button' className='coditect-link' onClick={() => this.open(fileUri(text), line)}>
                    <span className='codicon codicon-file' aria-hidden='true' /> {line === undefined ? name : `${name}:${line + 1}`}
                </button></p>;
            }
        }
    }

    protected open(uri: URI, line = 0): void {
        const at = { line, character: 0 };
        this.editors.open(uri, { selection: { start: at, end: at } }).catch(error => console.error(error));
    }
}
