import { Command, CommandRegistry, MenuContribution, MenuModelRegistry, URI } from '@theia/core';
import { Widget } from '@theia/core/lib/browser';
import { TabBarToolbarContribution, TabBarToolbarRegistry } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { injectable } from '@theia/core/shared/inversify';
import { EDITOR_CONTEXT_MENU, EditorWidget } from '@theia/editor/lib/browser';
import { MonacoDiffEditor } from '@theia/monaco/lib/browser/monaco-diff-editor';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import { Change, LineRange as ZeroBasedRange } from '@theia/scm/lib/browser/dirty-diff/diff-computer';
import { DirtyDiffWidget, SCM_CHANGE_TITLE_MENU } from '@theia/scm/lib/browser/dirty-diff/dirty-diff-widget';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import type { ChosenLines, LineAction, LineRange } from './git-types';
import { fromGitUri } from './git-uri';

/** Chosen lines of a file, and what may be done with them. */
interface Choice {
    readonly uri: URI;
    readonly lines: ChosenLines;
    /** Where the version after is that of the index, lines can only leave it. */
    readonly staged: boolean;
}

const EDITOR_GROUP = [...EDITOR_CONTEXT_MENU, '3_git'];

/** Staging, unstaging and discarding single lines, from an editor, a comparison, or the view that opens beside the gutter. */
@injectable()
export class GitLineCommands extends GitCommandContribution implements MenuContribution, TabBarToolbarContribution {

    protected actions(): GitAction[] {
        return [];
    }

    override registerCommands(registry: CommandRegistry): void {
        const selected = (command: Command, action: LineAction, staged: boolean): void => {
            const isEnabled = (): boolean => this.choice()?.staged === staged;
            registry.registerCommand(command, { execute: () => this.telling(() => this.change(this.choice(), action)), isEnabled, isVisible: isEnabled });
        };
        selected(GitCommands.STAGE_LINES, 'stage', false);
        selected(GitCommands.UNSTAGE_LINES, 'unstage', true);
        selected(GitCommands.DISCARD_LINES, 'discard', false);
        const shown = (command: Command, action: LineAction): void => {
            const isEnabled = (widget?: unknown): boolean => widget instanceof DirtyDiffWidget && this.repositories.find(widget.uri) !== undefined;
            registry.registerCommand(command, {
                execute: (widget: DirtyDiffWidget) => this.telling(() => this.change(choiceOf(widget), action)),
                isEnabled,
                isVisible: isEnabled
            });
        };
        shown(GitCommands.STAGE_CHANGE, 'stage');
        shown(GitCommands.DISCARD_CHANGE, 'discard');
    }

    registerMenus(menus: MenuModelRegistry): void {
        for (const [order, { id, label }] of [GitCommands.STAGE_LINES, GitCommands.UNSTAGE_LINES, GitCommands.DISCARD_LINES].entries()) {
            menus.registerMenuAction(EDITOR_GROUP, { commandId: id, label, order: String(order) });
        }
        for (const [order, { id, label, iconClass }] of [GitCommands.STAGE_CHANGE, GitCommands.DISCARD_CHANGE].entries()) {
            menus.registerMenuAction(SCM_CHANGE_TITLE_MENU, { commandId: id, label, icon: iconClass, order: String(order) });
        }
    }

    registerToolbarItems(toolbar: TabBarToolbarRegistry): void {
        for (const { id, label } of [GitCommands.STAGE_LINES, GitCommands.UNSTAGE_LINES, GitCommands.DISCARD_LINES]) {
            toolbar.registerItem({ id, command: id, tooltip: label, isVisible: widget => this.isComparison(widget) });
        }
    }

    protected isComparison(widget: Widget | undefined): boolean {
        return widget instanceof EditorWidget && widget === this.editors.currentEditor && widget.editor instanceof MonacoDiffEditor;
    }

    /** What is selected in the current editor, where it shows a file of a repository. */
    protected choice(): Choice | undefined {
        const editor = this.editors.currentEditor?.editor;
        if (editor instanceof MonacoDiffEditor) {
            return choiceInComparison(editor);
        }
        if (!(editor instanceof MonacoEditor) || editor.uri.scheme !== 'file' || !this.repositories.find(editor.uri)) {
            return undefined;
        }
        return { uri: editor.uri, lines: { old: undefined, new: selectedLines(editor.getControl()) }, staged: false };
    }

    protected async change(choice: Choice | undefined, action: LineAction): Promise<void> {
        const repository = choice && this.repositories.find(choice.uri);
        if (!choice || !repository || !await this.isWanted(choice, action)) {
            return;
        }
        await this.save(choice.uri);
        try {
            await this.host.shell.changeLines(repository.path, { path: repository.relative(choice.uri), action, lines: choice.lines });
        } finally {
            await repository.refresh().catch(() => undefined);
        }
    }

    protected async isWanted({ uri }: Choice, action: LineAction): Promise<boolean> {
        return action !== 'discard'
            || this.prompts.confirm('Discard these lines?', `The chosen changes in “${uri.path.base}” will be lost. This cannot be undone.`, 'Discard');
    }

    /** Git sees only what is saved. */
    protected async save(uri: URI): Promise<void> {
        const widget = this.editors.all.find(({ editor, saveable }) => saveable.dirty && editor.uri.toString() === uri.toString());
        await widget?.saveable.save();
    }
}

function selectedLines(editor: { getSelection(): LineSelection | null }): LineRange {
    const selection = editor.getSelection();
    if (!selection) {
        return { first: 1, last: 0 };
    }
    const { startLineNumber, endLineNumber, endColumn } = selection;
    // A selection that ends before the first character of a line has nothing of that line in it.
    const beyond = endLineNumber > startLineNumber && endColumn === 1;
    return { first: startLineNumber, last: beyond ? endLineNumber - 1 : endLineNumber };
}

interface LineSelection {
    readonly startLineNumber: number;
    readonly endLineNumber: number;
    readonly endColumn: number;
}

/** Only what lies between `HEAD` and the index, or the index and the file, can be chosen from. */
function choiceInComparison({ originalModel, modifiedModel, diffEditor }: MonacoDiffEditor): Choice | undefined {
    const before = fromGitUri(new URI(originalModel.uri));
    const after = fromGitUri(new URI(modifiedModel.uri));
    const staged = before?.ref === 'HEAD' && after?.ref === '';
    const unstaged = before?.ref === '' && modifiedModel.uri.startsWith('file:');
    if (!before || !staged && !unstaged) {
        return undefined;
    }
    const original = diffEditor.getOriginalEditor();
    const lines = original.hasTextFocus()
        ? { old: selectedLines(original), new: undefined }
        : { old: undefined, new: selectedLines(diffEditor.getModifiedEditor()) };
    return { uri: staged && after ? after.file : new URI(modifiedModel.uri), lines, staged };
}

function choiceOf({ uri, currentChange }: DirtyDiffWidget): Choice | undefined {
    return currentChange && { uri, lines: toChosen(currentChange), staged: false };
}

function toChosen({ previousRange, currentRange }: Change): ChosenLines {
    // Theia counts from 0 and leaves the end out.
    const toRange = ({ start, end }: ZeroBasedRange): LineRange => ({ first: start + 1, last: end });
    return { old: toRange(previousRange), new: toRange(currentRange) };
}
