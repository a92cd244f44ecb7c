import { URI } from '@theia/core';
import type { Version } from './git-types';

/** Scheme of a file in another version than the work tree's; also the name of the provider, as Theia makes such addresses from that. */
export const GIT_SCHEME = 'coditect-git';

/** What stands for versions that git names otherwise than by a revision. No revision begins with a colon and a letter. */
const NAMED = { '': 'index', ':base': 'base', ':ours': 'ours', ':theirs': 'theirs', ':empty': 'empty' } as const;

/** How a version stands in an address: the index is the empty reference, as Theia's gutter asks for it. */
export type GitRef = keyof typeof NAMED | (string & {});

/** The address of a file in a version. The file's own path stays, so that name, icon and language are found by it. */
export function toGitUri(file: URI, ref: GitRef): URI {
    return file.withScheme(GIT_SCHEME).withQuery(JSON.stringify({ ref }));
}

/** The file and the reference of an address; `undefined` for an address of something else. */
export function fromGitUri(uri: URI): { file: URI, ref: GitRef } | undefined {
    if (uri.scheme !== GIT_SCHEME) {
        return undefined;
    }
    try {
        const { ref } = JSON.parse(uri.query) as { ref?: unknown };
        return typeof ref === 'string' ? { file: uri.withScheme('file').withoutQuery(), ref } : undefined;
    } catch {
        return undefined;
    }
}

export function toVersion(ref: GitRef): Version {
    return Object.hasOwn(NAMED, ref) ? NAMED[ref as keyof typeof NAMED] : { revision: ref };
}

/** Whether the content behind a reference is always the same: that of a commit by its whole id. */
export function isFixed(ref: GitRef): boolean {
    return /^[0-9a-f]{40}([0-9a-f]{24})?$/.test(ref) || ref === ':empty';
}
