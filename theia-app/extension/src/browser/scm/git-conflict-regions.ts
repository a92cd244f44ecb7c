import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import { findConflicts } from 'coditect-shell';
import type { ConflictRegion } from './git-types';

/** How every conflict begins: looked for first, as it is quick to find that there is none. */
const BEGIN = '<<<<<<<';

/** Finds conflicts that a merge left in files. */
@injectable()
export class GitConflictRegions {

    @inject(FileService) protected readonly fileService: FileService;
    @inject(EditorManager) protected readonly editors: EditorManager;

    find(text: string): ConflictRegion[] {
        return text.includes(BEGIN) ? findConflicts(text) : [];
    }

    /** Whether a file has both sides of a conflict in it; one that is not there, or no text, has not. */
    async isUnsolved(uri: URI): Promise<boolean> {
        const open = MonacoEditor.getAll(this.editors).find(editor => editor.document.textEditorModel.uri.toString() === uri.toString());
        if (open) {
            return this.find(open.document.getText()).length > 0;
        }
        try {
            return this.find((await this.fileService.read(uri)).value).length > 0;
        } catch {
            return false;
        }
    }
}
