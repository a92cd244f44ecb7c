import { CancellationToken, URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileSearchService } from '@theia/file-search/lib/common/file-search-service';
import { toAbortSignal } from '../shell/abort';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { expandGlobs } from './search-patterns';

/** Most files listed where the caller sets no bound. */
const DEFAULT_FILE_LIMIT = 1000;

/** Quick open and everything else that looks for files by name. */
@injectable()
export class ShellFileSearchService implements FileSearchService {

    @inject(ShellHost) protected readonly host: ShellHost;

    async find(pattern: string, options: FileSearchService.Options, token?: CancellationToken): Promise<string[]> {
        const limit = options.limit ?? DEFAULT_FILE_LIMIT;
        const roots = [...new Set([...options.rootUris ?? [], ...Object.keys(options.rootOptions ?? {})])];
        const found = await Promise.all(roots.map(root => this.findIn(root, pattern, options, limit, token)));
        return [...new Set(found.flat())].slice(0, limit);
    }

    protected async findIn(root: string, pattern: string, options: FileSearchService.Options, limit: number, token?: CancellationToken): Promise<string[]> {
        const own = options.rootOptions?.[root];
        try {
            const { paths } = await this.host.shell.findFiles({
                pattern,
                fuzzy: options.fuzzyMatch ?? true,
                limit,
                use_ignore_files: own?.useGitIgnore ?? options.useGitIgnore ?? true,
                include: expandGlobs([...options.includePatterns ?? [], ...own?.includePatterns ?? []]),
                exclude: expandGlobs([...options.excludePatterns ?? [], ...own?.excludePatterns ?? []]),
                folder: new URI(root).path.toString()
            }, toAbortSignal(token));
            return paths.map(path => fileUri(path).toString());
        } catch (error) {
            if (token?.isCancellationRequested || ShellProblem.hasKind(error, 'cancelled')) {
                return [];
            }
            throw error;
        }
    }
}
