import { MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import { Shell } from 'coditect-shell';
import type { CallContext, PluginCall, PluginItem, PluginOutcome } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { plainText } from './plugin-words';
import { toDocument, toEditRange } from './plugin-text';

type OutcomeName = PluginOutcome['outcome'];
export type OutcomeOf<N extends OutcomeName> = Extract<PluginOutcome, { outcome: N }>;

/** How long something runs before its progress is shown, in milliseconds. */
const PROGRESS_AFTER_MS = 600;

/** Asks plugins for something. */
@injectable()
export class PluginCalls {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(MessageService) protected readonly messages: MessageService;

    async ask<N extends OutcomeName>(plugin: string, call: PluginCall, name: N, signal?: AbortSignal, onItem?: (item: PluginItem) => void): Promise<OutcomeOf<N>> {
        const { outcome } = await this.host.shell.callPlugin(plugin, call, onItem, signal);
        if (outcome.outcome !== name) {
            throw new Error(`The plugin ${plugin} answered something else than “${name}”.`);
        }
        return outcome as OutcomeOf<N>;
    }

    /** For what a person started: with its progress and a way to cancel it. */
    async run<N extends OutcomeName>(plugin: string, title: string, call: PluginCall, name: N): Promise<OutcomeOf<N>> {
        const controller = new AbortController();
        let last: Extract<PluginItem, { item: 'progress' }> | undefined;
        let tell: (() => void) | undefined;
        let end: (() => void) | undefined;
        let ended = false;
        const timer = window.setTimeout(async () => {
            const progress = await this.messages.showProgress({ text: plainText(title), options: { cancelable: true } }, () => controller.abort());
            end = () => progress.cancel();
            tell = () => last && progress.report({ message: plainText(last.text), work: { done: last.percent ?? 0, total: 100 } });
            if (ended) {
                end();
            } else {
                tell();
            }
        }, PROGRESS_AFTER_MS);
        try {
            return await this.ask(plugin, call, name, controller.signal, item => {
                if (item.item === 'progress') {
                    last = item;
                    tell?.();
                }
            });
        } finally {
            ended = true;
            window.clearTimeout(timer);
            end?.();
        }
    }

    /** The editor that is looked at. */
    current(): MonacoEditor | undefined {
        return MonacoEditor.getCurrent(this.editors);
    }

    /** What is looked at. The shell leaves out what is none of the plugin's business. */
    context(args: Record<string, unknown> = {}): CallContext {
        const control = this.current()?.getControl();
        const model = control?.getModel();
        const selection = control?.getSelection();
        const isShort = model && model.getValueLength() <= Shell.maxUnaskedText();
        return {
            arguments: JSON.stringify(args),
            document: isShort ? toDocument(model) : undefined,
            selection: isShort && selection ? toEditRange(selection) : undefined
        };
    }
}
