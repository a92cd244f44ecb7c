import { CommandRegistry, DisposableCollection } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { PreferenceContribution, PreferenceSchema, PreferenceService } from '@theia/core/lib/common/preferences';
import { inject, injectable, interfaces } from '@theia/core/shared/inversify';
import { MonacoEditor } from '@theia/monaco/lib/browser/monaco-editor';
import * as monaco from '@theia/monaco-editor-core';
import { BlameLines, blameLines, relativeTime } from './blame-lines';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitCommits } from './git-commits';
import { shortId } from './git-names';
import { GitRepository } from './git-repository';
import type { GitCommit } from './git-types';

const LINE_PREFERENCE = 'git.blame.currentLine';
/** How long the cursor rests before its line is looked at, in milliseconds. */
const REST_MS = 300;
/** Most files whose lines are remembered. */
const MAX_FILES = 16;
/** Room for a name beside each line, in characters, and for all that stands there: an id, a name, a day. */
const NAME_WIDTH = 16;
const COLUMN_WIDTH = 7 + 1 + NAME_WIDTH + 1 + 10;

const SCHEMA: PreferenceSchema = {
    properties: {
        [LINE_PREFERENCE]: { type: 'boolean', default: true, description: 'Shows beside the cursor who changed its line last, and in which commit.' }
    }
};

/** Who changed which line: at the cursor, on hovering there, and beside all lines of a file. */
@injectable()
export class GitBlame extends GitCommandContribution implements FrontendApplicationContribution {

    @inject(GitCommits) protected readonly commits: GitCommits;
    @inject(PreferenceService) protected readonly preferences: PreferenceService;

    protected readonly known = new Map<string, Promise<BlameLines>>();
    /** Editors that show who changed each line. */
    protected readonly whole = new Map<MonacoEditor, monaco.editor.IEditorDecorationsCollection>();
    protected readonly toDisposeOnSwitch = new DisposableCollection();
    protected shown: monaco.editor.IEditorDecorationsCollection | undefined;
    protected timer: number | undefined;

    onStart(): void {
        this.editors.onCurrentEditorChanged(() => this.follow());
        this.repositories.onDidChange(({ event }) => {
            // A saved file has other lines, and a commit other names for them.
            this.known.clear();
            if (event.versions) {
                this.whole.forEach((_, editor) => this.telling(() => this.showWhole(editor)));
            }
            this.soon();
        });
        this.preferences.onPreferenceChanged(({ preferenceName }) => preferenceName === LINE_PREFERENCE && this.soon());
    }

    override registerCommands(registry: CommandRegistry): void {
        super.registerCommands(registry);
        registry.registerCommand(GitCommands.BLAME_TOGGLE, {
            execute: () => this.telling(() => this.toggleWhole()),
            isEnabled: () => this.current() !== undefined,
            isToggled: () => this.whole.has(this.current()!)
        });
    }

    protected actions(): GitAction[] {
        return [{ command: GitCommands.BLAME_COMMIT, run: repository => this.showCommit(repository), isEnabled: () => this.current() !== undefined }];
    }

    /** The editor of a repository's file. */
    protected current(): MonacoEditor | undefined {
        const editor = MonacoEditor.getCurrent(this.editors);
        return editor?.uri.scheme === 'file' && this.repositories.find(editor.uri) ? editor : undefined;
    }

    protected follow(): void {
        this.toDisposeOnSwitch.dispose();
        this.shown?.clear();
        this.shown = undefined;
        const editor = this.current();
        if (editor) {
            this.shown = editor.getControl().createDecorationsCollection();
            this.toDisposeOnSwitch.pushAll([
                editor.getControl().onDidChangeCursorPosition(() => this.soon()),
                editor.getControl().onDidChangeModelContent(() => this.soon())
            ]);
            this.soon();
        }
    }

    protected soon(): void {
        this.shown?.clear();
        window.clearTimeout(this.timer);
        // Where it cannot be told, nothing is shown: nobody asked.
        this.timer = window.setTimeout(() => this.showLine().catch(() => undefined), REST_MS);
    }

    protected async showLine(): Promise<void> {
        const editor = this.current();
        const shown = this.shown;
        const line = editor?.getControl().getPosition()?.lineNumber;
        // Of a file that is not saved git knows the lines of before.
        if (!editor || !shown || !line || editor.document.dirty || !this.preferences.get<boolean>(LINE_PREFERENCE, true)) {
            return;
        }
        const lines = await this.linesOf(editor);
        const model = editor.getControl().getModel();
        if (shown !== this.shown || editor.document.dirty || editor.getControl().getPosition()?.lineNumber !== line || !model) {
            return;
        }
        const commit = lines.commitAt(line);
        const end = model.getLineMaxColumn(line);
        shown.set([{
            range: new monaco.Range(line, end, line, end),
            options: {
                after: { content: `    ${commit ? lineText(commit) : 'Not committed yet'}`, inlineClassName: 'coditect-blame-line' },
                hoverMessage: commit && { value: hoverOf(commit) },
                showIfCollapsed: true
            }
        }]);
    }

    protected async toggleWhole(): Promise<void> {
        const editor = this.current();
        const shown = editor && this.whole.get(editor);
        if (!editor) {
            return;
        }
        if (shown) {
            shown.clear();
            this.whole.delete(editor);
            return;
        }
        this.whole.set(editor, editor.getControl().createDecorationsCollection());
        // An editor that is not seen has no model, and gets its decorations anew with it.
        const seen = editor.getControl().onDidChangeModel(() => this.whole.has(editor) && this.telling(() => this.showWhole(editor)));
        editor.onDispose(() => {
            seen.dispose();
            this.whole.delete(editor);
        });
        await this.showWhole(editor);
    }

    protected async showWhole(editor: MonacoEditor): Promise<void> {
        const lines = await this.linesOf(editor);
        const count = editor.getControl().getModel()?.getLineCount() ?? 0;
        this.whole.get(editor)?.set(Array.from({ length: count }, (_, index) => {
            const line = index + 1;
            const commit = lines.commitAt(line);
            // Only the first of several lines of one commit names it.
            const text = lines.isFirst(line) && commit ? columnText(commit) : '';
            return {
                range: new monaco.Range(line, 1, line, 1),
                options: {
                    before: { content: `${text.padEnd(COLUMN_WIDTH)} `.replaceAll(' ', '\u00a0'), inlineClassName: 'coditect-blame-column' },
                    hoverMessage: commit && { value: hoverOf(commit) },
                    showIfCollapsed: true
                }
            };
        }));
    }

    protected async showCommit(repository: GitRepository): Promise<void> {
        const editor = this.current();
        const line = editor?.getControl().getPosition()?.lineNumber;
        const commit = editor && line ? (await this.linesOf(editor)).commitAt(line) : undefined;
        if (commit) {
            await this.commits.pickAndShowFile(repository, commit.id);
        } else {
            this.messages.info('This line is not committed yet.');
        }
    }

    protected linesOf(editor: MonacoEditor): Promise<BlameLines> {
        const key = editor.uri.toString();
        const repository = this.repositories.find(editor.uri);
        let lines = this.known.get(key);
        if (!lines && repository) {
            lines = repository.ask({ blame: { path: repository.relative(editor.uri), revision: undefined } }, 'blame').then(blameLines);
            this.known.set(key, lines);
            for (const oldest of this.known.keys()) {
                if (this.known.size <= MAX_FILES) {
                    break;
                }
                this.known.delete(oldest);
            }
        }
        return lines ?? Promise.resolve(blameLines({ commits: [], spans: [] }));
    }
}

export function bindBlamePreferences(bind: interfaces.Bind): void {
    bind(PreferenceContribution).toConstantValue({ schema: SCHEMA });
}

function lineText({ author, authored_at, summary }: GitCommit): string {
    return `${author.name}, ${relativeTime(authored_at)} • ${summary}`;
}

function columnText({ id, author, authored_at }: GitCommit): string {
    return `${shortId(id)} ${author.name.slice(0, NAME_WIDTH).padEnd(NAME_WIDTH)} ${day(authored_at)}`;
}

function day(time: number): string {
    return new Date(time).toISOString().slice(0, 10);
}

/** What others wrote must not become a link or a picture. */
function hoverOf({ id, author, authored_at, message }: GitCommit): string {
    const plain = (text: string): string => text.replace(/[\\`*_{}[\]()#+.!|<>~&-]/g, '\\$&');
    return [`**${plain(author.name)}** ${plain(author.email)}`, `${shortId(id)}, ${plain(new Date(authored_at).toLocaleString())}`, plain(message.trim())].join('\n\n');
}
