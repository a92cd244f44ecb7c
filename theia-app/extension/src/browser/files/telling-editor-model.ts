import { CommandService, ILogger, MessageService, Resource } from '@theia/core';
import { CancellationToken } from '@theia/core/lib/common/cancellation';
import { Saveable, SaveOptions, SaveReason } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorPreferences } from '@theia/editor/lib/common/editor-preferences';
import { BugIndicatingError } from '@theia/monaco-editor-core/esm/vs/base/common/errors';
import { MonacoEditorModel } from '@theia/monaco/lib/browser/monaco-editor-model';
import { MonacoEditorModelFactory } from '@theia/monaco/lib/browser/monaco-text-model-service';
import { MonacoToProtocolConverter } from '@theia/monaco/lib/browser/monaco-to-protocol-converter';
import { ProtocolToMonacoConverter } from '@theia/monaco/lib/browser/protocol-to-monaco-converter';
import { ShellProblem } from '../shell/shell-problem';
import { SHOW_TRASH } from './trash-widget';

/** In the messages that there is no room left which the person can make: the trash is where that is done. */
const FULL_CODE = /\((?:workspace\.quota|workspace\.too_many_files|files\.disk_reserve)\)/;

/**
 * An editor's text that tells the person when it cannot be saved; the stock one only writes that into the console. It stays dirty, so
 * nothing is lost. Once the person declined to overwrite a newer version, it is not saved by itself any more until they save it.
 */
class TellingEditorModel extends MonacoEditorModel {

    protected told: { readonly text: string; readonly version: number } | undefined;
    protected held = false;
    /** Version of the text that is on its way to the server. */
    protected sending: number | undefined;

    constructor(
        resource: Resource, m2p: MonacoToProtocolConverter, p2m: ProtocolToMonacoConverter, logger: ILogger, preferences: EditorPreferences,
        protected readonly messages: MessageService, protected readonly commands: CommandService
    ) {
        super(resource, m2p, p2m, logger, preferences);
        this.toDispose.push(this.onDirtyChanged(() => {
            if (!this.dirty) {
                this.told = undefined;
                this.held = false;
            }
        }));
    }

    /** Closing the tab asks as well, where saving by itself has ended. */
    override get autosaveable(): boolean | undefined {
        return this.held ? false : super.autosaveable;
    }

    protected override async doSave(token: CancellationToken, overwriteEncoding?: boolean, options?: SaveOptions): Promise<void> {
        try {
            await super.doSave(token, overwriteEncoding, options);
            // Nothing went wrong, nothing was typed, and still not saved: the person declined to overwrite a newer version.
            this.held = this.dirty && !token.isCancellationRequested && this.sending === this.model.getAlternativeVersionId();
        } catch (error) {
            if (!this.isDisposed()) {
                this.fail(ShellProblem.describe(error), options);
            } else if (!(error instanceof BugIndicatingError)) {
                this.messages.error(`${ShellProblem.describe(error)} The editor was closed meanwhile: what was changed is not saved.`);
            }
            // A text that was closed while it was on its way tells no version any more, which the stock model asks for: that is no failure.
        } finally {
            this.sending = undefined;
        }
    }

    protected override async fireWillSaveModel(token: CancellationToken, options?: SaveOptions): Promise<void> {
        await super.fireWillSaveModel(token, options);
        if (this.isDisposed()) {
            return;
        }
        this.sending = this.model.getAlternativeVersionId();
    }

    /** What was typed while the text before it was on its way is not saved yet; the stock model takes it for saved. */
    protected override setDirty(dirty: boolean): void {
        if (!dirty && this.sending !== undefined && this.sending !== this.model.getAlternativeVersionId()) {
            this.bufferSavedVersionId = this.sending;
            return;
        }
        super.setDirty(dirty);
    }

    override async revert(options?: Saveable.RevertOptions): Promise<void> {
        this.sending = undefined;
        await super.revert(options);
    }

    /** Saving by itself fails again with each key; once is enough to know. */
    protected fail(text: string, options: SaveOptions | undefined): void {
        const byItself = options?.saveReason === SaveReason.AfterDelay || options?.saveReason === SaveReason.FocusChange;
        const version = this.model.getAlternativeVersionId();
        if (!byItself || text !== this.told?.text || version === this.told.version) {
            this.tell(text);
        }
        this.told = { text, version };
    }

    protected tell(text: string): void {
        const again = 'Save again';
        const trash = 'Show the trash';
        const offered = FULL_CODE.test(text) ? [trash, again] : [again];
        this.messages.error(`${text} What you changed is still in the editor.`, ...offered).then(
            choice => choice === again ? this.save() : choice === trash ? this.commands.executeCommand(SHOW_TRASH.id) : undefined
        ).catch(error => this.logger?.error(error));
    }
}

@injectable()
export class TellingEditorModelFactory implements MonacoEditorModelFactory {

    readonly scheme = 'file';

    @inject(MonacoToProtocolConverter) protected readonly m2p: MonacoToProtocolConverter;
    @inject(ProtocolToMonacoConverter) protected readonly p2m: ProtocolToMonacoConverter;
    @inject(ILogger) protected readonly logger: ILogger;
    @inject(EditorPreferences) protected readonly preferences: EditorPreferences;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(CommandService) protected readonly commands: CommandService;

    createModel(resource: Resource): MonacoEditorModel {
        return new TellingEditorModel(resource, this.m2p, this.p2m, this.logger, this.preferences, this.messages, this.commands);
    }
}
