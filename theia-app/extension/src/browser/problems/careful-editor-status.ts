import { StatusBar } from '@theia/core/lib/browser';
import { injectable } from '@theia/core/shared/inversify';
import { TextEditor } from '@theia/editor/lib/browser';
import { EditorContribution } from '@theia/editor/lib/browser/editor-contribution';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';

/** Tells where the cursor is; an editor that becomes the current one while it closes has no text and no cursor any more. */
@injectable()
export class CarefulEditorStatus extends EditorContribution {

    protected override setCursorPositionStatus(statusBar: StatusBar, editor: TextEditor | undefined): void {
        const isClosed = editor instanceof MonacoEditor && editor.getControl().getModel() === null;
        super.setCursorPositionStatus(statusBar, isClosed ? undefined : editor);
    }
}
