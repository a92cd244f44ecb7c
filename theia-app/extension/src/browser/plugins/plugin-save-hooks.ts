import { CancellationToken, Disposable } from '@theia/core';
import { SaveOptions, SaveReason } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import { MonacoEditorProvider, SaveParticipant } from '@theia/monaco/lib/browser/monaco-editor-provider';
import { Shell } from 'coditect-shell';
import { ChoiceDialog } from '../problems/choice-dialog';
import { toAbortSignal } from '../shell/abort';
import { ShellHost } from '../shell/shell-host';
import { PluginCalls } from './plugin-calls';
import { PluginFindings } from './plugin-checks';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { applyEdits, toDocument } from './plugin-text';

/** Before the code actions and formatters of the editor, whose order is 0 and 1000. */
const ORDER = -100;

/**
 * Hooks of plugins before a file is saved. The shell waits for none longer than a deadline, and what goes wrong with one is told and
 * does not keep the file from being saved; only the person does.
 */
@injectable()
export class PluginSaveHooks implements PluginSurface<'save_hook'>, SaveParticipant {

    readonly kind = 'save_hook';
    readonly order = ORDER;

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginFindings) protected readonly findings: PluginFindings;
    @inject(PluginMessages) protected readonly messages: PluginMessages;
    @inject(MonacoEditorProvider) protected readonly provider: MonacoEditorProvider;

    protected readonly hooks = new Set<OfferOf<'save_hook'>>();

    /** Saving takes no longer where there is no hook. */
    protected registration: Disposable | undefined;

    add(offer: OfferOf<'save_hook'>): Disposable {
        this.hooks.add(offer);
        this.registration ??= this.provider.registerSaveParticipant(this);
        return Disposable.create(() => {
            this.hooks.delete(offer);
            this.findings.clearAll(ownerOf(offer));
            if (this.hooks.size === 0) {
                this.registration?.dispose();
                this.registration = undefined;
            }
        });
    }

    async applyChangesOnSave(editor: MonacoEditor, token: CancellationToken, options?: SaveOptions): Promise<void> {
        const model = editor.document.textEditorModel;
        if (model.uri.scheme !== 'file' || model.getValueLength() > Shell.maxUnaskedText()) {
            return;
        }
        for (const hook of this.hooks) {
            if (token.isCancellationRequested) {
                return;
            }
            if (this.host.shell.offerFits(hook, model.uri.path, model.getLanguageId())) {
                await this.run(hook, editor, token, options);
            }
        }
    }

    protected async run(hook: OfferOf<'save_hook'>, editor: MonacoEditor, token: CancellationToken, options: SaveOptions | undefined): Promise<void> {
        const model = editor.document.textEditorModel;
        const version = model.getVersionId();
        let objection: string | undefined;
        try {
            const told = await this.calls.ask(hook.plugin, { call: 'will_save', document: toDocument(model) }, 'will_save', toAbortSignal(token));
            if (token.isCancellationRequested) {
                return;
            }
            if (told.edits.length > 0) {
                // Where something was typed meanwhile, saving goes on without what was meant for the text before.
                applyEdits(model, told.edits, version);
            }
            this.findings.show(ownerOf(hook), hook.plugin_title, model.uri.path, told.findings);
            objection = told.objection ?? undefined;
        } catch (error) {
            this.messages.failed(hook.plugin, hook.plugin_title, error);
            return;
        }
        if (objection !== undefined) {
            await this.askAboutObjection(hook, objection, editor, options);
        }
    }

    protected async askAboutObjection(hook: OfferOf<'save_hook'>, objection: string, editor: MonacoEditor, options: SaveOptions | undefined): Promise<void> {
        const byItself = options?.saveReason === SaveReason.AfterDelay || options?.saveReason === SaveReason.FocusChange;
        if (byItself) {
            // Nobody is at it: nothing is lost while it is not saved, and a dialogue for each pause in typing would be a flood.
            this.messages.warn(hook.plugin, hook.plugin_title, `${objection} The file is not saved by itself until you save it.`);
            cancelSave(editor);
            return;
        }
        const text = `${hook.plugin_title} objects: ${objection}`;
        const save = await new ChoiceDialog(`Save “${editor.uri.path.base}” all the same?`, text, [{ label: 'Save all the same', value: true }], 'Do not save').open();
        if (!save) {
            cancelSave(editor);
        }
    }
}

function ownerOf({ plugin }: OfferOf<'save_hook'>): string {
    return `plugin:${plugin} (save)`;
}

/** The token of a save is the model's own to cancel. */
function cancelSave({ document }: MonacoEditor): void {
    (document as unknown as { cancelSave(): CancellationToken }).cancelSave();
}
