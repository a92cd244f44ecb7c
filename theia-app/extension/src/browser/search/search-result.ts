import { URI } from '@theia/core';
import type { SearchInWorkspaceResult, SearchMatch } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { fileUri } from '../shell/file-uri';
import type { FileMatches, TextMatch } from '../shell/shell-types';

/** What the server found in a file, as the search view takes it. */
export function toSearchResult(rootUris: readonly string[], { path, matches }: FileMatches): SearchInWorkspaceResult {
    const file = fileUri(path);
    const root = rootUris.find(candidate => new URI(candidate).isEqualOrParent(file)) ?? rootUris[0];
    return { root, fileUri: file.toString(), matches: matches.map(toSearchMatch) };
}

function toSearchMatch({ line, column, length, text, text_column }: TextMatch): SearchMatch {
    return { line, character: column, length, lineText: text_column === column ? text : { text, character: text_column } };
}
