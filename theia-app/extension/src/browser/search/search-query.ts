import { URI } from '@theia/core';
import type { SearchInWorkspaceOptions } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import type { TextQuery } from '../shell/shell-types';
import { expandGlobs, parseSize } from './search-patterns';

/** Most matches where the caller sets no bound. */
const DEFAULT_MAX_MATCHES = 2000;
/** Largest file looked into where the caller sets no bound, in bytes. */
const DEFAULT_MAX_FILE_BYTES = 20 * 1024 * 1024;

/** What the search view asks, as the shell takes it. */
export function toSearchQuery(query: string, rootUris: readonly string[], options: SearchInWorkspaceOptions = {}, contextLines = 0): TextQuery {
    const folders = rootUris.map(uri => new URI(uri).path.toString());
    const regex = options.useRegExp ?? false;
    return {
        query,
        regex,
        case_sensitive: options.matchCase ?? false,
        whole_word: options.matchWholeWord ?? false,
        include_ignored: options.includeIgnored ?? false,
        include: expandGlobs(options.include, folders),
        exclude: expandGlobs(options.exclude, folders),
        max_matches: options.maxResults ?? DEFAULT_MAX_MATCHES,
        max_file_bytes: parseSize(options.maxFileSize, DEFAULT_MAX_FILE_BYTES),
        folders,
        lines_before: contextLines,
        lines_after: contextLines,
        // As other editors have it: a pattern that speaks of ends of line may match across them.
        multiline: options.multiline || query.includes('\n') || (regex && query.includes('\\n'))
    };
}
