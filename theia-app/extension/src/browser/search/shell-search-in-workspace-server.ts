import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import {
    SearchInWorkspaceClient, SearchInWorkspaceOptions, SearchInWorkspaceServer, SearchMatch
} from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { FileMatches, TextMatch } from '../shell/shell-types';
import { toSearchQuery } from './search-query';

/** Search in files. */
@injectable()
export class ShellSearchInWorkspaceServer implements SearchInWorkspaceServer {

    @inject(ShellHost) protected readonly host: ShellHost;

    protected client: SearchInWorkspaceClient | undefined;
    protected nextId = 0;
    protected readonly running = new Map<number, AbortController>();

    setClient(client: SearchInWorkspaceClient | undefined): void {
        this.client = client;
    }

    async search(what: string, rootUris: string[], options: SearchInWorkspaceOptions = {}): Promise<number> {
        const id = this.nextId++;
        const abort = new AbortController();
        this.running.set(id, abort);
        this.run(id, what, rootUris, options, abort.signal)
            .then(() => this.client?.onDone(id), error => this.client?.onDone(id, abort.signal.aborted ? undefined : ShellProblem.describe(error)))
            .finally(() => this.running.delete(id));
        return id;
    }

    async cancel(searchId: number): Promise<void> {
        this.running.get(searchId)?.abort();
    }

    dispose(): void {
        this.running.forEach(abort => abort.abort());
    }

    protected async run(id: number, query: string, rootUris: string[], options: SearchInWorkspaceOptions, signal: AbortSignal): Promise<void> {
        const report = (found: FileMatches) => this.report(id, rootUris, found);
        await this.host.shell.searchText(toSearchQuery(query, rootUris, options), report, signal);
    }

    protected report(id: number, rootUris: string[], { path, matches }: FileMatches): void {
        const file = fileUri(path);
        const root = rootUris.find(candidate => new URI(candidate).isEqualOrParent(file)) ?? rootUris[0];
        this.client?.onResult(id, { root, fileUri: file.toString(), matches: matches.map(toSearchMatch) });
    }
}

function toSearchMatch({ line, column, length, text, text_column }: TextMatch): SearchMatch {
    return { line, character: column, length, lineText: text_column === column ? text : { text, character: text_column } };
}
