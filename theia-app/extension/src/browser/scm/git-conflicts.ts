import { Command, CommandRegistry } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import * as monaco from '@theia/monaco-editor-core';
import { GitAction, GitCommandContribution, resourcesOf } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitConflictRegions } from './git-conflict-regions';
import { fileOf } from './git-files';
import { GitRepository } from './git-repository';
import type { ConflictRegion, LineRange, GitState } from './git-types';

type Taken = 'current' | 'incoming' | 'both';

/** Colours of the lines of a conflict, by class names of the style sheet. */
const CLASSES = { current: 'coditect-conflict-current', base: 'coditect-conflict-base', incoming: 'coditect-conflict-incoming' } as const;

/** Conflicts: whole files by their sides, and single places in the text, with their choices written above them. */
@injectable()
export class GitConflicts extends GitCommandContribution implements FrontendApplicationContribution {

    @inject(GitConflictRegions) protected readonly regions: GitConflictRegions;

    onStart(): void {
        monaco.languages.registerCodeLensProvider({ scheme: 'file' }, { provideCodeLenses: model => this.lenses(model) });
        this.editors.onCreated(widget => {
            const control = MonacoEditor.get(widget)?.getControl();
            if (control && widget.editor.uri.scheme === 'file') {
                const shown = control.createDecorationsCollection();
                const show = (): void => void shown.set(this.decorations(control.getModel()));
                control.onDidChangeModelContent(show);
                // An editor that is not seen has no model.
                control.onDidChangeModel(show);
                show();
            }
        });
    }

    override registerCommands(registry: CommandRegistry): void {
        super.registerCommands(registry);
        const take = (command: Command, taken: Taken): void => {
            registry.registerCommand(command, {
                execute: (uri?: string, line?: number) => this.telling(async () => this.take(taken, uri, line)),
                isEnabled: (uri?: string) => typeof uri === 'string' || this.regionAtCursor() !== undefined
            });
        };
        take(GitCommands.ACCEPT_CURRENT, 'current');
        take(GitCommands.ACCEPT_INCOMING, 'incoming');
        take(GitCommands.ACCEPT_BOTH, 'both');
        const go = (command: Command, step: 1 | -1): void => {
            registry.registerCommand(command, { execute: () => this.go(step), isEnabled: () => this.currentRegions().length > 0 });
        };
        go(GitCommands.NEXT_CONFLICT, 1);
        go(GitCommands.PREVIOUS_CONFLICT, -1);
    }

    protected actions(): GitAction[] {
        const conflicting = ({ merge }: GitState): boolean => merge.length > 0;
        return [
            { command: GitCommands.OPEN_MERGE_EDITOR, run: (repository, args) => this.openMergeEditor(repository, args), isEnabled: conflicting },
            { command: GitCommands.TAKE_OURS, run: (repository, args) => this.takeSide(repository, args, 'ours'), isEnabled: conflicting },
            { command: GitCommands.TAKE_THEIRS, run: (repository, args) => this.takeSide(repository, args, 'theirs'), isEnabled: conflicting },
            { command: GitCommands.MARK_SOLVED, run: (repository, args) => this.markSolved(repository, args), isEnabled: conflicting }
        ];
    }

    /** Paths in conflict that a command was given; else that of the file in the editor. */
    protected paths(repository: GitRepository, args: readonly unknown[]): string[] {
        const given = resourcesOf(args).filter(({ resource }) => resource.conflict).map(({ resource }) => resource.path);
        if (given.length > 0) {
            return given;
        }
        const editor = this.editors.currentEditor?.editor;
        const path = editor && repository.relative(fileOf(editor));
        return repository.state!.merge.filter(resource => resource.path === path).map(resource => resource.path);
    }

    protected async openMergeEditor(repository: GitRepository, args: readonly unknown[]): Promise<void> {
        for (const path of this.paths(repository, args)) {
            const conflict = repository.state!.merge.find(resource => resource.path === path)?.conflict;
            await this.files.openMergeEditor(repository.fileUri(path), conflict === 'both_added', repository);
        }
    }

    protected async takeSide(repository: GitRepository, args: readonly unknown[], side: 'ours' | 'theirs'): Promise<void> {
        const paths = this.paths(repository, args);
        const name = side === 'ours' ? 'current' : 'incoming';
        const files = paths.length === 1 ? `“${paths[0]}” becomes` : `${paths.length} files become`;
        const text = `${files} whole as on the ${name} side; what the other side changed there is left out.`;
        if (paths.length > 0 && await this.prompts.confirm(`Accept all ${name}?`, text, 'Accept')) {
            await repository.run('Taking one side', { take_side: { paths, side } });
        }
    }

    protected async markSolved(repository: GitRepository, args: readonly unknown[]): Promise<void> {
        const paths = this.paths(repository, args);
        const unsolved = await Promise.all(paths.map(path => this.regions.isUnsolved(repository.fileUri(path))));
        const text = 'Both sides of a conflict are still in the file.';
        if (paths.length > 0 && (!unsolved.includes(true) || await this.prompts.confirm('Mark as solved?', text, 'Mark as Solved'))) {
            await repository.run('Marking as solved', { stage: { paths } });
        }
    }

    protected lenses(model: monaco.editor.ITextModel): monaco.languages.CodeLensList {
        const uri = model.uri.toString();
        const choices = [GitCommands.ACCEPT_CURRENT, GitCommands.ACCEPT_INCOMING, GitCommands.ACCEPT_BOTH];
        const lenses = this.regions.find(model.getValue()).flatMap(({ whole }) => choices.map(({ id, label }) => ({
            range: new monaco.Range(whole.first, 1, whole.first, 1),
            command: { id, title: label!, arguments: [uri, whole.first] }
        })));
        return { lenses, dispose: () => undefined };
    }

    protected decorations(model: monaco.editor.ITextModel | null): monaco.editor.IModelDeltaDecoration[] {
        const color = (range: LineRange | undefined, name: keyof typeof CLASSES): monaco.editor.IModelDeltaDecoration[] => range && range.first <= range.last
            ? [{ range: new monaco.Range(range.first, 1, range.last, 1), options: { isWholeLine: true, className: CLASSES[name] } }]
            : [];
        return this.regions.find(model?.getValue() ?? '').flatMap(({ current, base, incoming, whole }) => [
            ...color({ first: whole.first, last: current.last }, 'current'),
            ...color(base, 'base'),
            ...color({ first: incoming.first, last: whole.last }, 'incoming')
        ]);
    }

    protected take(taken: Taken, uri: string | undefined, line: number | undefined): void {
        const editor = uri === undefined ? MonacoEditor.getCurrent(this.editors)
            : MonacoEditor.getAll(this.editors).find(candidate => candidate.getControl().getModel()?.uri.toString() === uri);
        const model = editor?.getControl().getModel();
        const region = uri === undefined ? this.regionAtCursor() : this.regions.find(model?.getValue() ?? '').find(({ whole }) => whole.first === line);
        if (editor && model && region) {
            const parts = taken === 'both' ? [region.current, region.incoming] : [region[taken]];
            const lines = parts.flatMap(({ first, last }) => linesOf(model, first, last));
            // The end of a last line that has none is not in the range either.
            const end = endsFile(model, region.whole) || lines.length === 0 ? '' : model.getEOL();
            editor.getControl().pushUndoStop();
            editor.getControl().executeEdits('git', [{ range: wholeLines(model, region.whole), text: lines.join(model.getEOL()) + end }]);
            editor.getControl().pushUndoStop();
        }
    }

    protected go(step: 1 | -1): void {
        const editor = MonacoEditor.getCurrent(this.editors)?.getControl();
        const line = editor?.getPosition()?.lineNumber ?? 1;
        const starts = this.currentRegions().map(({ whole }) => whole.first);
        const next = step === 1 ? starts.find(start => start > line) ?? starts[0] : starts.findLast(start => start < line) ?? starts.at(-1);
        if (editor && next !== undefined) {
            editor.setPosition({ lineNumber: next, column: 1 });
            editor.revealLineInCenterIfOutsideViewport(next);
            editor.focus();
        }
    }

    protected currentRegions(): ConflictRegion[] {
        const editor = MonacoEditor.getCurrent(this.editors);
        return editor ? this.regions.find(editor.document.getText()) : [];
    }

    protected regionAtCursor(): ConflictRegion | undefined {
        const line = MonacoEditor.getCurrent(this.editors)?.getControl().getPosition()?.lineNumber ?? 0;
        return this.currentRegions().find(({ whole }) => whole.first <= line && line <= whole.last);
    }
}

function linesOf(model: monaco.editor.ITextModel, first: number, last: number): string[] {
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => model.getLineContent(first + index));
}

function endsFile(model: monaco.editor.ITextModel, { last }: LineRange): boolean {
    return last >= model.getLineCount();
}

/** With the end of the last line, where there is one. */
function wholeLines(model: monaco.editor.ITextModel, { first, last }: LineRange): monaco.Range {
    return endsFile(model, { first, last }) ? new monaco.Range(first, 1, last, model.getLineMaxColumn(last)) : new monaco.Range(first, 1, last + 1, 1);
}
