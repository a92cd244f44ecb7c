import { CancellationToken, Disposable, DisposableCollection, Emitter, Event } from '@theia/core';
import {
    ScmHistoryItem, ScmHistoryItemChange, ScmHistoryItemRef, ScmHistoryItemRefsChangeEvent, ScmHistoryOptions, ScmHistoryProvider
} from '@theia/scm/lib/browser/scm-provider';
import { toAbortSignal } from '../shell/abort';
import { shortId } from './git-names';
import { GitRepository } from './git-repository';
import type { CommitDetails, CommitFile, GitCommit } from './git-types';
import { toGitUri } from './git-uri';

/** Commits of one page where Theia names no number. */
const PAGE_COMMITS = 50;

/** What a name in the history is, as Theia calls it. */
type RefKind = 'heads' | 'head' | 'remotes' | 'tags';

/** Which part of the history is shown. */
export interface HistoryFilter {
    /** Below the repository; only what changed it. */
    readonly path?: string;
    /** Words in message, author or id. */
    readonly search?: string;
    /** All branches and tags. */
    readonly all?: boolean;
}

/** The commits of a repository, for Theia's graph. */
export class GitHistory implements ScmHistoryProvider, Disposable {

    protected readonly toDispose = new DisposableCollection();
    protected readonly refsEmitter = new Emitter<void>();
    readonly onDidChangeCurrentHistoryItemRefs = this.refsEmitter.event;
    /** One of the two is enough: Theia reads everything again for either. */
    readonly onDidChangeHistoryItemRefs: Event<ScmHistoryItemRefsChangeEvent> = Event.None;

    protected shown: HistoryFilter = {};
    protected lastTip = '';

    constructor(protected readonly repository: GitRepository) {
        this.toDispose.pushAll([this.refsEmitter, repository.onDidChange(({ versions }) => versions && this.update())]);
    }

    dispose(): void {
        this.toDispose.dispose();
    }

    get filter(): HistoryFilter {
        return this.shown;
    }

    set filter(filter: HistoryFilter) {
        this.shown = filter;
        this.refsEmitter.fire();
    }

    get currentHistoryItemRef(): ScmHistoryItemRef | undefined {
        const head = this.repository.state?.head;
        return head?.commit ? toRef(head.branch ?? shortId(head.commit), head.branch ? 'heads' : 'head', head.commit) : undefined;
    }

    get currentHistoryItemRemoteRef(): ScmHistoryItemRef | undefined {
        const upstream = this.repository.state?.head.upstream;
        return upstream ? toRef(upstream, 'remotes') : undefined;
    }

    async provideHistoryItemRefs(_refs: string[] | undefined, token: CancellationToken): Promise<ScmHistoryItemRef[]> {
        const { branches, remote_branches, tags } = await this.repository.ask('refs', 'refs', toAbortSignal(token));
        return [
            ...branches.map(({ name, commit }) => toRef(name, 'heads', commit)),
            ...remote_branches.map(({ name, commit }) => toRef(name, 'remotes', commit)),
            ...tags.map(({ name, commit }) => toRef(name, 'tags', commit))
        ];
    }

    async provideHistoryItems({ skip, limit }: ScmHistoryOptions, token: CancellationToken): Promise<ScmHistoryItem[]> {
        const state = this.repository.state;
        // Before the first look nothing is known, before the first commit there is nothing.
        if (!state?.head.commit) {
            return [];
        }
        const { path, search = '', all = false } = this.shown;
        const { commits } = await this.repository.ask({
            log: { revision: '', all, path, search, skip: skip ?? 0, limit: typeof limit === 'number' ? limit : PAGE_COMMITS }
        }, 'log', toAbortSignal(token));
        const kinds = await this.kindsOf(commits, token);
        // Of a filtered history the commits between are missing, so that lines between those shown would be wrong.
        const filtered = path !== undefined || search !== '';
        return commits.map(commit => toItem(commit, kinds, filtered));
    }

    async provideHistoryItemChanges(id: string, _parent: string | undefined, token: CancellationToken): Promise<ScmHistoryItemChange[]> {
        const { commit, files } = await this.details(id, toAbortSignal(token));
        return files.map(file => this.toChange(commit, file));
    }

    async resolveHistoryItem(id: string, token: CancellationToken): Promise<ScmHistoryItem> {
        const { commit, files } = await this.details(id, toAbortSignal(token));
        const sum = (key: 'added' | 'deleted'): number => files.reduce((total, file) => total + (file[key] ?? 0), 0);
        const statistics = { files: files.length, insertions: sum('added'), deletions: sum('deleted') };
        return { ...toItem(commit, await this.kindsOf([commit], token), false), statistics };
    }

    /** Theia's graph asks for none: it starts at the branch and its upstream. */
    async resolveHistoryItemRefsCommonAncestor(): Promise<undefined> {
        return undefined;
    }

    details(revision: string, signal?: AbortSignal): Promise<CommitDetails> {
        return this.repository.ask({ commit_details: { revision } }, 'commit', signal);
    }

    /** A file that a commit changed, in the versions before and after. */
    toChange(commit: GitCommit, { path, from, change }: CommitFile): ScmHistoryItemChange {
        const uri = this.repository.fileUri(path);
        const parent = commit.parents[0];
        const before = toGitUri(from === undefined ? uri : this.repository.fileUri(from), parent ?? ':empty').toString();
        return {
            uri: uri.toString(),
            originalUri: change === 'added' || parent === undefined ? undefined : before,
            modifiedUri: change === 'deleted' ? undefined : toGitUri(uri, commit.id).toString(),
            renameUri: change === 'renamed' ? uri.toString() : undefined
        };
    }

    /** What the names at these commits are, as a commit says only the names. */
    protected async kindsOf(commits: readonly GitCommit[], token: CancellationToken): Promise<ReadonlyMap<string, RefKind>> {
        if (!commits.some(({ refs }) => refs.length > 0)) {
            return new Map();
        }
        const { branches, remote_branches, tags } = await this.repository.ask('refs', 'refs', toAbortSignal(token));
        const kinds = (kind: RefKind, refs: readonly { readonly name: string }[]): [string, RefKind][] => refs.map(({ name }) => [name, kind]);
        // Of one name that several have, the branch counts.
        return new Map([...kinds('tags', tags), ...kinds('remotes', remote_branches), ...kinds('heads', branches)]);
    }

    protected update(): void {
        const { commit, branch, upstream, ahead, behind } = this.repository.state!.head;
        const tip = [commit, branch, upstream, ahead, behind].join(' ');
        // A staged file changes no commit; the graph would lose its place for nothing.
        if (tip !== this.lastTip) {
            this.lastTip = tip;
            this.refsEmitter.fire();
        }
    }
}

function toRef(name: string, category: RefKind, revision?: string): ScmHistoryItemRef {
    return { id: category === 'head' ? name : `refs/${category}/${name}`, name, revision: revision ?? name, category };
}

function toItem(commit: GitCommit, kinds: ReadonlyMap<string, RefKind>, filtered: boolean): ScmHistoryItem {
    const { id, parents, summary, message, author, authored_at, refs } = commit;
    return {
        id,
        parentIds: filtered ? [] : parents,
        subject: summary,
        message,
        author: author.name,
        authorEmail: author.email,
        displayId: shortId(id),
        timestamp: authored_at,
        references: refs.map(name => toRef(name, kinds.get(name) ?? 'heads', id))
    };
}
