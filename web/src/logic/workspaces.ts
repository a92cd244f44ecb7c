import type { Workspace, WorkspaceSource } from 'coditect-shell';

/** From so many workspaces on there is a field to find one. */
export const FIND_FROM = 8;
/** Longest name of a workspace, in characters; the server's own limit. */
export const MAX_NAME_CHARS = 100;
/** What an archive's name ends with. */
export const ARCHIVES = ['.zip', '.tar', '.tar.gz', '.tgz'] as const;

/** Where a workspace is opened. */
export function ideUrl(workspace: Workspace): string {
    return `/theia/?workspace=${encodeURIComponent(workspace.id)}`;
}

/** Where its files came from, for a person. */
export function sourceText(source: WorkspaceSource): string {
    switch (source.type) {
        case 'empty': return 'Started empty';
        case 'git': return source.url;
        case 'archive': return `From ${source.file_name}`;
    }
}

/** Whether a workspace is one of those looked for: each word is in its name or its source. */
export function isFound(workspace: Workspace, query: string): boolean {
    const text = `${workspace.name}\n${sourceText(workspace.source)}`.toLowerCase();
    return query.toLowerCase().split(/\s+/).every(word => text.includes(word));
}

/** Whether a file looks like an archive that the server unpacks. */
export function isArchive(fileName: string): boolean {
    return ARCHIVES.some(ending => fileName.toLowerCase().endsWith(ending));
}

/** The name that a workspace gets from its archive. */
export function archiveName(fileName: string): string {
    return fileName.replace(/\.(zip|tar|tgz|tar\.gz)$/i, '').slice(0, MAX_NAME_CHARS);
}

/** What a person who does not see the list should hear after it changed; empty where that is nothing. */
export function news(before: readonly Workspace[], after: readonly Workspace[]): string {
    const known = new Map(before.map(workspace => [workspace.id, workspace.state]));
    const sentences = after.flatMap(({ id, name, state }) => {
        const was = known.get(id);
        switch (state.type) {
            case 'creating': return was?.type === 'creating' && was.step === state.step ? [] : [`${name}: ${state.step}.`];
            case 'ready': return was?.type === 'creating' ? [`${name} is ready.`] : [];
            case 'failed': return was?.type === 'creating' ? [`${name} could not be made. ${state.message}`] : [];
        }
    });
    return sentences.join(' ');
}
