import { ILogger, MessageService, Resource } from '@theia/core';
import { CancellationToken } from '@theia/core/lib/common/cancellation';
import { SaveOptions, SaveReason } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorPreferences } from '@theia/editor/lib/common/editor-preferences';
import { MonacoEditorModel } from '@theia/monaco/lib/browser/monaco-editor-model';
import { MonacoEditorModelFactory } from '@theia/monaco/lib/browser/monaco-text-model-service';
import { MonacoToProtocolConverter } from '@theia/monaco/lib/browser/monaco-to-protocol-converter';
import { ProtocolToMonacoConverter } from '@theia/monaco/lib/browser/protocol-to-monaco-converter';
import { ShellProblem } from '../shell/shell-problem';

/**
 * An editor's text that tells the person when it cannot be saved; the stock one only writes that into the console. It stays dirty, so
 * nothing is lost. Once the person declined to overwrite a newer version, it is not saved by itself any more until they save it.
 */
class TellingEditorModel extends MonacoEditorModel {

    protected told: string | undefined;
    protected held = false;

    constructor(
        resource: Resource, m2p: MonacoToProtocolConverter, p2m: ProtocolToMonacoConverter, logger: ILogger, preferences: EditorPreferences,
        protected readonly messages: MessageService
    ) {
        super(resource, m2p, p2m, logger, preferences);
        this.toDispose.push(this.onDirtyChanged(() => {
            if (!this.dirty) {
                this.told = undefined;
                this.held = false;
            }
        }));
    }

    protected override async doSave(token: CancellationToken, overwriteEncoding?: boolean, options?: SaveOptions): Promise<void> {
        const byItself = options?.saveReason === SaveReason.AfterDelay || options?.saveReason === SaveReason.FocusChange;
        if (byItself && this.held) {
            return;
        }
        try {
            await super.doSave(token, overwriteEncoding, options);
            this.held = this.dirty && !token.isCancellationRequested;
        } catch (error) {
            const text = ShellProblem.describe(error);
            // Saving by itself fails again with each key; once is enough to know.
            if (!byItself || text !== this.told) {
                this.tell(text);
            }
            this.told = text;
        }
    }

    protected tell(text: string): void {
        const again = 'Save again';
        this.messages.error(`${text} What you changed is still in the editor.`, again).then(
            choice => choice === again ? this.save() : undefined,
            error => this.logger?.error(error)
        );
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

    createModel(resource: Resource): MonacoEditorModel {
        return new TellingEditorModel(resource, this.m2p, this.p2m, this.logger, this.preferences, this.messages);
    }
}
