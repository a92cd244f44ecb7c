import { inject, injectable } from '@theia/core/shared/inversify';
import { SearchInWorkspaceClient, SearchInWorkspaceOptions, SearchInWorkspaceServer } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { FileMatches } from '../shell/shell-types';
import { toSearchQuery } from './search-query';
import { toSearchResult } from './search-result';

/** Search in files for what is not the search view, which takes more of what the server tells. */
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
        const report = (files: FileMatches[]) => files.forEach(found => this.client?.onResult(id, toSearchResult(rootUris, found)));
        await this.host.shell.searchText(toSearchQuery(query, rootUris, options), report, signal);
    }
}
