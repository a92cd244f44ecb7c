import { CancellationToken, Disposable, DisposableCollection } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import * as monaco from '@theia/monaco-editor-core';
import type { EditRange } from 'coditect-shell';
import { toAbortSignal } from '../shell/abort';
import { ShellHost } from '../shell/shell-host';
import { PluginCalls } from './plugin-calls';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { toDocument, toEditRange, toMonacoEdits } from './plugin-text';

/** Of the editor's types, this one is not told. */
type Pattern = NonNullable<monaco.languages.LanguageFilter['pattern']>;

/** Formatters of plugins. Where several can, Theia asks which, and remembers it by the plugin's name. */
@injectable()
export class PluginFormatters implements PluginSurface<'formatter'> {

    readonly kind = 'formatter';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginMessages) protected readonly messages: PluginMessages;

    add(offer: OfferOf<'formatter'>): Disposable {
        const named = { displayName: offer.plugin_title, extensionId: { value: offer.plugin, _lower: offer.plugin } };
        const selector = this.selectorOf(offer);
        return new DisposableCollection(
            monaco.languages.registerDocumentFormattingEditProvider(selector, {
                ...named,
                provideDocumentFormattingEdits: (model, options, token) => this.format(offer, model, options, token)
            }),
            monaco.languages.registerDocumentRangeFormattingEditProvider(selector, {
                ...named,
                provideDocumentRangeFormattingEdits: (model, range, options, token) => this.format(offer, model, options, token, toEditRange(range))
            })
        );
    }

    /** Where nothing was granted of a file, the formatter is not there: nobody is asked about one that can do nothing. */
    protected selectorOf({ documents, surface: { languages } }: OfferOf<'formatter'>): monaco.languages.LanguageFilter[] {
        const base = this.host.rootUri.path.toString();
        return languages.flatMap(language => documents.map(pattern => ({
            language: language === '*' ? undefined : language, scheme: 'file', pattern: { base, pattern } as Pattern
        })));
    }

    protected async format(
        { plugin, plugin_title }: OfferOf<'formatter'>, model: monaco.editor.ITextModel, options: monaco.languages.FormattingOptions, token: monaco.CancellationToken, range?: EditRange
    ): Promise<monaco.languages.TextEdit[] | undefined> {
        try {
            const { edits } = await this.calls.ask(plugin, {
                call: 'format', document: toDocument(model), range, options: { tab_size: options.tabSize, insert_spaces: options.insertSpaces }
            }, 'edits', toAbortSignal(token as unknown as CancellationToken));
            return toMonacoEdits(edits);
        } catch (error) {
            this.messages.failed(plugin, plugin_title, error);
            return undefined;
        }
    }
}
