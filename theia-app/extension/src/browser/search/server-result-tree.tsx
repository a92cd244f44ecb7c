import { CancellationTokenSource, MEMORY_TEXT, MessageService, UNTITLED_SCHEME, URI } from '@theia/core';
import { createTreeContainer, TreeNode } from '@theia/core/lib/browser';
import { inject, injectable, interfaces } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { EditorWidget } from '@theia/editor/lib/browser';
import {
    SearchInWorkspaceFileNode, SearchInWorkspaceResultLineNode, SearchInWorkspaceResultTreeWidget, SearchInWorkspaceRootFolderNode
} from '@theia/search-in-workspace/lib/browser/search-in-workspace-result-tree-widget';
import type { SearchInWorkspaceOptions, SearchMatch } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { applyReplacedLines } from 'coditect-shell';
import { toAbortSignal } from '../shell/abort';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { FileMatches, Replaced } from '../shell/shell-types';
import { ContextLines } from './context-lines';
import { replacementOf } from './replacement';
import { toSearchQuery } from './search-query';
import { toSearchResult } from './search-result';

/** Most problems that are named one by one. */
const MAX_NAMED_PROBLEMS = 3;
/** Most matches that are replaced at once. */
const MAX_REPLACEMENTS = 1_000_000;
/** Least time between two updates of the view while matches come in, in milliseconds. The first ones are shown at once. */
const REFRESH_EVERY_MS = 100;

/** Schemes of the editors in which the page itself searches. */
const SEARCHED_SCHEMES: readonly string[] = ['file', UNTITLED_SCHEME];

/** What the server has of a file in which it found something. */
interface Told {
    /** How many matches; fewer are shown once some of them were dismissed. */
    matches: number;
    /** The version in which they were found, or that was previewed. */
    etag: string;
}

/**
 * Shows what the server finds while it is found, and replaces there: whole files, each in the version that was looked at, groups of the
 * pattern included. What only the page has (unsaved text, a choice of single matches) is searched and replaced in the editor.
 */
@injectable()
export class ServerResultTree extends SearchInWorkspaceResultTreeWidget {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(MessageService) protected readonly messages: MessageService;

    /** A replacement is written in small and capital letters as the match is. */
    preserveCase = false;
    /** Lines shown before and after each match. */
    contextLines = 0;
    /** Why the last search failed. */
    problem: string | undefined;

    protected readonly told = new Map<string, Told>();
    protected readonly context = new ContextLines();
    protected refreshTimer: number | undefined;
    protected refreshedAt = 0;

    override async search(searchTerm: string, searchOptions: SearchInWorkspaceOptions): Promise<void> {
        this.searchTerm = searchTerm;
        this.searchOptions = searchOptions;
        this.cancelIndicator?.cancel();
        this.told.clear();
        this.context.clear();
        this.problem = undefined;
        this.resultTree.clear();
        this.forceVisibleRootNode = false;
        if (searchTerm === '') {
            await this.refreshModelChildren();
            return;
        }
        const cancel = new CancellationTokenSource();
        this.cancelIndicator = cancel;
        const progress = await this.progressService.showProgress({ text: `search: ${searchTerm}`, options: { location: 'search' } });
        cancel.token.onCancellationRequested(() => {
            progress.cancel();
            if (this.cancelIndicator === cancel) {
                this.cancelIndicator = undefined;
                this.changeEmitter.fire(this.resultTree);
            }
        });
        if (!cancel.token.isCancellationRequested) {
            await this.searchEverywhere(searchTerm, searchOptions, cancel);
        }
    }

    protected async searchEverywhere(searchTerm: string, searchOptions: SearchInWorkspaceOptions, cancel: CancellationTokenSource): Promise<void> {
        const { token } = cancel;
        const options = { ...searchOptions, exclude: this.getExcludeGlobs(searchOptions.exclude, !searchOptions.includeIgnored) };
        const { numberOfResults, matches } = this.searchInOpenEditors(searchTerm, options);
        this.forceVisibleRootNode = this.workspaceService.opened && matches.some(found => found.root === this.defaultRootName);
        matches.forEach(found => this.appendToResultTree(found));
        options.exclude = [...options.exclude, ...this.unsaved().map(({ editor }) => editor.uri).filter(uri => this.host.rootUri.isEqualOrParent(uri)).map(uri => uri.path.toString())];
        options.maxResults = options.maxResults && Math.max(1, options.maxResults - numberOfResults);
        const roots = this.workspaceService.tryGetRoots().map(({ resource }) => resource.toString());
        try {
            await this.host.shell.searchText(toSearchQuery(searchTerm, roots, options, this.contextLines), files => {
                if (!token.isCancellationRequested) {
                    files.forEach(found => this.take(roots, found));
                }
            }, toAbortSignal(token));
        } catch (error) {
            if (!token.isCancellationRequested) {
                this.problem = ShellProblem.describe(error);
            }
        }
        if (!token.isCancellationRequested) {
            this.handleSearchCompleted(cancel);
        }
    }

    protected take(roots: readonly string[], found: FileMatches): void {
        const result = toSearchResult(roots, found);
        const told = this.told.get(result.fileUri) ?? { matches: 0, etag: found.etag };
        told.matches += found.matches.length;
        this.told.set(result.fileUri, told);
        this.context.add(result.fileUri, found);
        this.appendToResultTree(result);
        if (this.refreshTimer === undefined) {
            const wait = Math.max(0, this.refreshedAt + REFRESH_EVERY_MS - performance.now());
            this.refreshTimer = window.setTimeout(() => {
                this.refreshTimer = undefined;
                this.refreshModelChildren();
            }, wait);
        }
    }

    protected override async refreshModelChildren(): Promise<void> {
        await super.refreshModelChildren();
        this.refreshedAt = performance.now();
    }

    /** The editors with text that a search on the server does not see. Both sides of a comparison are no text of their own. */
    protected unsaved(): EditorWidget[] {
        const isOwn = ({ editor, saveable }: EditorWidget) => SEARCHED_SCHEMES.includes(editor.uri.scheme)
            && (saveable.dirty || !this.host.rootUri.isEqualOrParent(editor.uri));
        return this.editorManager.all.filter(isOwn);
    }

    protected override searchInOpenEditors(searchTerm: string, searchOptions: SearchInWorkspaceOptions): ReturnType<SearchInWorkspaceResultTreeWidget['searchInOpenEditors']> {
        const matches = this.unsaved().flatMap(widget => this.searchInEditor(widget, searchTerm, searchOptions) ?? []);
        return { matches, numberOfResults: matches.reduce((sum, found) => sum + found.matches.length, 0) };
    }

    /** What was found in an editor is as long as its text, which a pattern does not tell. */
    protected override findMatches(searchTerm: string, widget: EditorWidget, searchOptions: SearchInWorkspaceOptions): SearchMatch[] {
        const { document } = widget.editor;
        const found = document.findMatches?.({
            searchString: searchTerm,
            isRegex: !!searchOptions.useRegExp,
            matchCase: !!searchOptions.matchCase,
            matchWholeWord: !!searchOptions.matchWholeWord,
            limitResultCount: searchOptions.maxResults
        }) ?? [];
        return found.map(({ range: { start, end } }) => ({
            line: start.line,
            character: start.character,
            length: document.offsetAt({ line: end.line - 1, character: end.character - 1 }) - document.offsetAt({ line: start.line - 1, character: start.character - 1 }),
            lineText: Array.from({ length: end.line - start.line + 1 }, (_, index) => document.getLineContent(start.line + index)).join('\n')
        }));
    }

    protected override async replaceResult(node: TreeNode, replaceOne: boolean, replacementText: string): Promise<void> {
        if (SearchInWorkspaceResultLineNode.is(node)) {
            return this.replaceInEditor([node], replaceOne, replacementText);
        }
        const files = filesOf(node);
        const here = files.filter(file => !this.isOnServer(file));
        const there = files.filter(file => this.isOnServer(file));
        await Promise.all([
            ...here.map(file => this.replaceInEditor([...file.children], replaceOne, replacementText)),
            this.replaceOnServer(there.map(file => file.fileUri), replacementText)
        ]);
    }

    /** Replaces matches of one file where its text is the one in which they were found, and saves it. */
    protected async replaceInEditor(nodes: SearchInWorkspaceResultLineNode[], open: boolean, replacementText: string): Promise<void> {
        const before = this.editorManager.all;
        const widget = open ? await this.doOpen(nodes[0]) : await this.doGetWidget(nodes[0]);
        const { document } = widget.editor;
        const source = document.getText();
        const made = nodes.map(node => {
            const start = { line: node.line - 1, character: node.character - 1 };
            const range = { start, end: document.positionAt(document.offsetAt(start) + node.length) };
            const text = replacementOf(document.getText(range), this.searchTerm, replacementText, { ...this.searchOptions, preserveCase: this.preserveCase });
            return { node, range, text };
        });
        if (made.some(({ text }) => text === undefined)) {
            this.messages.error(`“${widget.editor.uri.path.base}” has changed since it was searched, or its matches can only be replaced all at once; search again.`);
        } else {
            await widget.editor.replaceText({ source, replaceOperations: made.map(({ range, text }) => ({ range, text: text! })) });
            await widget.saveable.save();
            made.forEach(({ node, text }) => this.moveBehind(node, text!, line => document.getLineContent(line)));
        }
        if (!open && !before.includes(widget)) {
            widget.dispose();
        }
    }

    /** Matches behind one that was replaced are elsewhere by now. */
    protected moveBehind(node: SearchInWorkspaceResultLineNode, text: string, lineAt: (line: number) => string): void {
        const replaced = this.textOf(node).text.split('\n').length - 1;
        const lines = text.split('\n').length - 1 - replaced;
        for (const other of node.parent.children.filter(other => other !== node)) {
            if (other.line === node.line && other.character > node.character && replaced === 0 && lines === 0) {
                other.character += text.length - node.length;
                other.lineText = lineAt(other.line);
            } else if (other.line > node.line) {
                other.line += lines;
            }
        }
    }

    /** Done once the text is known, see {@link moveBehind}. */
    protected override updateRightResults(): void { /* Nothing before that. */ }

    /** Whether all matches of a file are to be replaced, and the server has the text in which they were found. */
    protected isOnServer(file: SearchInWorkspaceFileNode): boolean {
        const told = this.told.get(file.fileUri);
        return told !== undefined && file.children.length >= told.matches
            && !this.unsaved().some(({ editor }) => editor.uri.toString() === file.fileUri);
    }

    protected async replaceOnServer(fileUris: string[], text: string): Promise<void> {
        if (fileUris.length === 0) {
            return;
        }
        const abort = new AbortController();
        const total = fileUris.length;
        const progress = await this.messages.showProgress(
            { text: `Replacing in ${total} files`, options: { cancelable: true, location: 'notification' } }, () => abort.abort()
        );
        const problems: string[] = [];
        let done = 0;
        try {
            await this.askServer(fileUris, text, false, file => {
                done++;
                progress.report({ work: { done, total } });
                if (file.problem) {
                    problems.push(`${file.problem.message} (${file.problem.code})`);
                }
            }, abort.signal);
        } catch (error) {
            if (!abort.signal.aborted) {
                problems.push(ShellProblem.describe(error));
            }
        } finally {
            progress.cancel();
        }
        if (abort.signal.aborted) {
            this.messages.info(`Replacing was stopped after ${done} of ${total} files.`);
        }
        if (problems.length > 0) {
            const more = problems.length > MAX_NAMED_PROBLEMS ? ` And ${problems.length - MAX_NAMED_PROBLEMS} more.` : '';
            this.messages.error(problems.slice(0, MAX_NAMED_PROBLEMS).join(' ') + more);
        }
    }

    protected async askServer(fileUris: string[], text: string, preview: boolean, take: (file: Replaced) => void, signal?: AbortSignal): Promise<void> {
        const files = fileUris.map(uri => ({ path: new URI(uri).path.toString(), etag: preview ? '' : this.told.get(uri)?.etag ?? '' }));
        const options = { ...this.searchOptions, maxResults: MAX_REPLACEMENTS };
        const query = toSearchQuery(this.searchTerm, [this.host.rootUri.toString()], options);
        await this.host.shell.replaceText(query, { text, preserve_case: this.preserveCase, preview, files }, take, signal);
    }

    protected override async createReplacePreview(node: SearchInWorkspaceFileNode): Promise<URI> {
        const told = this.told.get(node.fileUri);
        if (!told || !this.isOnServer(node)) {
            return super.createReplacePreview(node);
        }
        const fileUri = new URI(node.fileUri).withScheme('file');
        const previews: Replaced[] = [];
        await this.askServer([node.fileUri], this._replaceTerm, true, file => previews.push(file));
        const [preview] = previews;
        const content = await (await this.fileResourceResolver.resolve(fileUri)).readContents();
        if (!preview || preview.problem) {
            this.messages.error(preview?.problem?.message ?? `Nothing in ${fileUri.path.base} matches any more.`);
            return fileUri.withScheme(MEMORY_TEXT).withQuery(content);
        }
        told.etag = preview.etag;
        return fileUri.withScheme(MEMORY_TEXT).withQuery(applyReplacedLines(content, preview.lines));
    }

    /** What is shown of a match's lines, and where the match begins in it. */
    protected textOf(node: SearchInWorkspaceResultLineNode): { text: string, character: number } {
        return typeof node.lineText === 'string' ? { text: node.lineText, character: node.character } : node.lineText;
    }

    protected override renderResultLineNode(node: SearchInWorkspaceResultLineNode): React.ReactNode {
        const { text, character } = this.textOf(node);
        // Stock looks for the match where it is in the file, also in a line that is shown in part.
        const line = super.renderResultLineNode({ ...node, lineText: text, character });
        const lines = node.parent.children.map(other => other.line);
        const inLine = node.parent.children.filter(other => other.line === node.line);
        const around = this.context.around(node.fileUri, node.line, text.split('\n').length, lines, this.contextLines);
        const before = inLine[0]?.id === node.id ? around.before : [];
        const after = inLine[inLine.length - 1]?.id === node.id ? around.after : [];
        if (before.length === 0 && after.length === 0) {
            return line;
        }
        const shown = (texts: string[]) => texts.map((each, index) => <div key={index} className='coditect-search-around noWrapInfo'>{each || '\u00a0'}</div>);
        return <div className='coditect-search-context noWrapInfo'>{shown(before)}<div className='coditect-search-line'>{line}</div>{shown(after)}</div>;
    }
}

function filesOf(node: TreeNode): SearchInWorkspaceFileNode[] {
    if (SearchInWorkspaceRootFolderNode.is(node)) {
        return [...node.children];
    }
    return SearchInWorkspaceFileNode.is(node) ? [node] : [];
}

export function createServerResultTree({ container }: interfaces.Context): ServerResultTree {
    const child = createTreeContainer(container, {
        widget: ServerResultTree,
        props: { contextMenuPath: SearchInWorkspaceResultTreeWidget.Menus.BASE, multiSelect: true, globalSelection: true }
    });
    return child.get(ServerResultTree);
}
