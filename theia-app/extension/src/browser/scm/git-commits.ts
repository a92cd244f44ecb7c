import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { GitFiles } from './git-files';
import { shortId } from './git-names';
import { GitPrompts } from './git-prompts';
import { GitRepository } from './git-repository';
import type { CommitDetails, CommitFile, GitCommit } from './git-types';
import { toGitUri } from './git-uri';

/** Commits that a person can pick from at once; the graph has all of them. */
const PICKED_COMMITS = 200;

/** Shows commits and what they changed. */
@injectable()
export class GitCommits {

    @inject(GitPrompts) protected readonly prompts: GitPrompts;
    @inject(GitFiles) protected readonly files: GitFiles;

    details(repository: GitRepository, revision: string): Promise<CommitDetails> {
        return repository.ask({ commit_details: { revision } }, 'commit');
    }

    async pickCommit(repository: GitRepository, title: string): Promise<string | undefined> {
        const { commits } = await repository.ask({
            log: { revision: '', all: false, path: undefined, search: '', skip: 0, limit: PICKED_COMMITS }
        }, 'log');
        return this.prompts.pick(title, commits.map(commit => ({ label: commit.summary, description: describe(commit), value: commit.id })));
    }

    /** One of the files that a commit changed. */
    async pickFile(repository: GitRepository, revision: string, title: string): Promise<{ commit: GitCommit, file: CommitFile } | undefined> {
        const { commit, files } = await this.details(repository, revision);
        const file = await this.prompts.pick(`${title} ${shortId(commit.id)} ${commit.summary}`, files.map(candidate => ({
            label: candidate.path,
            description: describeFile(candidate),
            value: candidate
        })), describe(commit));
        return file && { commit, file };
    }

    /** Lets the person pick a file that a commit changed, and shows how. */
    async pickAndShowFile(repository: GitRepository, revision: string): Promise<void> {
        const picked = await this.pickFile(repository, revision, 'Changes of');
        if (picked) {
            await this.showFile(repository, picked.commit, picked.file);
        }
    }

    async showFile(repository: GitRepository, commit: GitCommit, { path, from, change }: CommitFile): Promise<void> {
        const uri = repository.fileUri(path);
        const source = from === undefined ? uri : repository.fileUri(from);
        const before = change === 'added' ? ':empty' : commit.parents[0] ?? ':empty';
        const after = change === 'deleted' ? ':empty' : commit.id;
        await this.files.diff(toGitUri(source, before), toGitUri(uri, after), `${uri.path.base} (${shortId(commit.id)})`);
    }

    async compareWithWorkTree(uri: URI, commit: string): Promise<void> {
        await this.files.diff(toGitUri(uri, commit), uri, `${uri.path.base} (${shortId(commit)} ↔ Working Tree)`);
    }
}

function describeFile({ change, added, deleted }: CommitFile): string {
    return added === undefined || deleted === undefined ? change : `${change} +${added} −${deleted}`;
}

function describe({ id, author, authored_at }: GitCommit): string {
    return `${shortId(id)} ${author.name}, ${new Date(authored_at).toLocaleString()}`;
}
