import { MEMORY_TEXT, MessageService, URI } from '@theia/core';
import { createTreeContainer, TreeNode } from '@theia/core/lib/browser';
import { inject, injectable, interfaces } from '@theia/core/shared/inversify';
import {
    SearchInWorkspaceFileNode, SearchInWorkspaceResultLineNode, SearchInWorkspaceResultTreeWidget, SearchInWorkspaceRootFolderNode
} from '@theia/search-in-workspace/lib/browser/search-in-workspace-result-tree-widget';
import type { SearchInWorkspaceOptions, SearchInWorkspaceResult } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { applyReplacedLines } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { Replaced } from '../shell/shell-types';
import { toSearchQuery } from './search-query';

/** Most problems that are named one by one. */
const MAX_NAMED_PROBLEMS = 3;
/** Most matches that are replaced at once. */
const MAX_REPLACEMENTS = 1_000_000;

/**
 * Replaces on the server: whole files, each in the version that was looked at, groups of the pattern included. What only the page has
 * (unsaved text, a choice of single matches) is replaced in the editor, as stock.
 */
@injectable()
export class ServerResultTree extends SearchInWorkspaceResultTreeWidget {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(MessageService) protected readonly messages: MessageService;

    /** How many matches of a file were told; fewer are shown once some of them were dismissed. */
    protected readonly told = new Map<string, number>();
    /** The versions of files that were previewed. */
    protected readonly previewed = new Map<string, string>();

    override async search(searchTerm: string, searchOptions: SearchInWorkspaceOptions): Promise<void> {
        this.told.clear();
        this.previewed.clear();
        return super.search(searchTerm, searchOptions);
    }

    protected override appendToResultTree(result: SearchInWorkspaceResult): void {
        this.told.set(result.fileUri, (this.told.get(result.fileUri) ?? 0) + result.matches.length);
        super.appendToResultTree(result);
    }

    protected override async replaceResult(node: TreeNode, replaceOne: boolean, replacementText: string): Promise<void> {
        if (SearchInWorkspaceResultLineNode.is(node)) {
            return super.replaceResult(node, replaceOne, this.expanded(node, replacementText));
        }
        const files = filesOf(node);
        const here = files.filter(file => !this.isOnServer(file));
        const there = files.filter(file => this.isOnServer(file));
        await Promise.all([
            ...here.map(file => super.replaceResult(file, replaceOne, replacementText)),
            this.replaceOnServer(there.map(file => file.fileUri), replacementText)
        ]);
    }

    /** Whether all matches of a file are to be replaced, and the server has the text in which they were found. */
    protected isOnServer(file: SearchInWorkspaceFileNode): boolean {
        const editors = this.editorManager.all.filter(({ editor }) => editor.uri.toString() === file.fileUri);
        return file.children.length >= (this.told.get(file.fileUri) ?? 0)
            && !editors.some(widget => widget.saveable.dirty)
            && this.host.rootUri.isEqualOrParent(new URI(file.fileUri));
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
        const files = fileUris.map(uri => ({ path: new URI(uri).path.toString(), etag: preview ? '' : this.previewed.get(uri) ?? '' }));
        const options = { ...this.searchOptions, maxResults: MAX_REPLACEMENTS };
        const query = toSearchQuery(this.searchTerm, [this.host.rootUri.toString()], options);
        await this.host.shell.replaceText(query, { text, preserve_case: false, preview, files }, take, signal);
    }

    protected override async createReplacePreview(node: SearchInWorkspaceFileNode): Promise<URI> {
        if (!this.isOnServer(node)) {
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
        this.previewed.set(node.fileUri, preview.etag);
        return fileUri.withScheme(MEMORY_TEXT).withQuery(applyReplacedLines(content, preview.lines));
    }

    /** The text for one match; groups of the pattern are taken from the match itself. */
    protected expanded(node: SearchInWorkspaceResultLineNode, replacementText: string): string {
        if (!this.searchOptions.useRegExp || !replacementText.includes('$')) {
            return replacementText;
        }
        const { text, character } = typeof node.lineText === 'string' ? { text: node.lineText, character: node.character } : node.lineText;
        const match = text.substring(character - 1, character - 1 + node.length);
        const named = replacementText.replace(/\$\{(\d+)\}/g, '$$$1').replace(/\$\{(\w+)\}/g, '$$<$1>');
        try {
            const pattern = this.searchTerm.replace(/\(\?P</g, '(?<');
            return match.replace(new RegExp(`^(?:${pattern})$`, this.searchOptions.matchCase ? 'um' : 'uim'), named);
        } catch {
            throw new Error('This pattern can only be replaced in whole files; replace all matches of the file.');
        }
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
