/** What a changed path means for the repository that it is in. */
export type PathMeaning =
    /** A file of the work tree. */
    | 'file'
    /** The index: what is staged. */
    | 'index'
    /** `HEAD`, a branch, a tag, an operation under way, or settings. */
    | 'refs'
    /** Nothing that is shown. */
    | 'nothing';

/** Files and folders in a repository's own folder that tell where it stands. */
const TELLING = new Set([
    'HEAD', 'FETCH_HEAD', 'ORIG_HEAD', 'MERGE_HEAD', 'MERGE_MSG', 'CHERRY_PICK_HEAD', 'REVERT_HEAD', 'REBASE_HEAD', 'BISECT_LOG', 'rebase-merge', 'rebase-apply',
    'sequencer', 'packed-refs', 'config', 'refs', 'reftable'
]);

/** By a path below the work tree. */
export function meaningOf(path: string): PathMeaning {
    if (path !== '.git' && !path.startsWith('.git/')) {
        return 'file';
    }
    const inside = path.slice('.git/'.length);
    if (inside === 'index') {
        return 'index';
    }
    const top = inside.split('/', 1)[0];
    return TELLING.has(top) && !inside.endsWith('.lock') ? 'refs' : 'nothing';
}

/** Whether a path is that of a repository's own folder (or file, in a linked work tree) or its `HEAD`: a repository came or went. */
export function marksRepository(path: string): boolean {
    return path.endsWith('/.git') || path.endsWith('/.git/HEAD');
}

/** The one of `roots` that is the nearest above a path. */
export function nearestRoot<T extends { readonly path: string }>(roots: Iterable<T>, path: string): T | undefined {
    let nearest: T | undefined;
    for (const root of roots) {
        const holds = path === root.path || path.startsWith(`${root.path}/`);
        if (holds && root.path.length > (nearest?.path.length ?? -1)) {
            nearest = root;
        }
    }
    return nearest;
}
