/** What git does not take in the name of a branch or tag; see `git help check-ref-format`. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\x00-\x20\x7f~^:?*[\\]|\.\.|@\{|\/\/|^[/.-]|\/\.|[/.]$|\.lock(\/|$)|^@$/;

/** Says what is wrong with the name of a branch or tag; `undefined` where nothing is. */
export function branchNameProblem(name: string): string | undefined {
    if (name === '') {
        return 'A name is wanted.';
    }
    const found = FORBIDDEN.exec(name);
    return found ? `Git does not take ${JSON.stringify(found[0])} there in a name.` : undefined;
}

/** The last part of a repository's address without `.git`: what its folder is called. */
export function folderNameOf(url: string): string {
    const last = url.replace(/[/\\]+$/, '').split(/[/\\:]/).pop() ?? '';
    return last.replace(/\.git$/, '');
}

/** Says what is wrong with an address to fetch from; `undefined` where nothing is. */
export function remoteUrlProblem(url: string): string | undefined {
    if (/^(https|ssh):\/\/[^/\s]+\/\S+$/.test(url) || /^[^\s/:@]+@([^\s/:[\]]+|\[[\da-f:.]+\]):\S+$/i.test(url)) {
        return undefined;
    }
    return 'An address is wanted as https://git.example.org/me/project.git or git@git.example.org:me/project.git.';
}

/** The first digits of a commit's id, as many as people are shown. */
export function shortId(id: string): string {
    return id.slice(0, 7);
}
