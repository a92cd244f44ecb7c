import type { Document, Edit, EditRange, Finding } from 'coditect-shell';
import type * as monaco from '@theia/monaco-editor-core';

/** The range as the editor has it: from 1, where plugins count from 0. */
export function toMonacoRange({ start, end }: EditRange): monaco.IRange {
    return { startLineNumber: start.line + 1, startColumn: start.column + 1, endLineNumber: end.line + 1, endColumn: end.column + 1 };
}

export function toEditRange({ startLineNumber, startColumn, endLineNumber, endColumn }: monaco.IRange): EditRange {
    return { start: { line: startLineNumber - 1, column: startColumn - 1 }, end: { line: endLineNumber - 1, column: endColumn - 1 } };
}

export function toMonacoEdits(edits: readonly Edit[]): { range: monaco.IRange; text: string }[] {
    return edits.map(({ range, text }) => ({ range: toMonacoRange(range), text }));
}

/** The text of an editor, as a plugin gets it. */
export function toDocument(model: monaco.editor.ITextModel): Document {
    return { path: model.uri.path, language: model.getLanguageId(), text: model.getValue() };
}

/** One step for who undoes it. Answers whether the text was still the one that the edits are for. */
export function applyEdits(model: monaco.editor.ITextModel, edits: readonly Edit[], version: number): boolean {
    if (model.isDisposed() || model.getVersionId() !== version) {
        return false;
    }
    model.pushStackElement();
    model.pushEditOperations([], toMonacoEdits(edits), () => null);
    model.pushStackElement();
    return true;
}

/** The findings by file; those without one are about `path`. */
export function findingsByPath(findings: readonly Finding[], path: string): Map<string, Finding[]> {
    const files = new Map<string, Finding[]>([[path, []]]);
    for (const finding of findings) {
        const file = finding.path ?? path;
        const known = files.get(file);
        if (known) {
            known.push(finding);
        } else {
            files.set(file, [finding]);
        }
    }
    return files;
}
