import { injectable } from '@theia/core/shared/inversify';
import { ShellProblem } from '../shell/shell-problem';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { shortId } from './git-names';
import type { PickEntry, PickHeadline } from './git-prompts';
import { GitRepository } from './git-repository';
import type { GitBranch, GitRefs, GitState, GitTag } from './git-types';

/** Refusals of a switch that putting changes aside gets out of the way. */
const IN_THE_WAY = ['git.would_overwrite', 'git.uncommitted_changes'];

/** A branch or tag to go to. */
type Target =
    | { readonly type: 'branch' | 'tag', readonly name: string }
    | { readonly type: 'remote', readonly name: string, readonly local: string }
    | { readonly type: 'create' };

/** Branches and tags, and bringing them together. */
@injectable()
export class GitBranchCommands extends GitCommandContribution {

    protected actions(): GitAction[] {
        const begun = ({ head }: GitState): boolean => head.commit !== undefined;
        const quiet = (state: GitState): boolean => begun(state) && !state.operation;
        const stopped = ({ operation }: GitState): boolean => operation !== undefined;
        return [
            { command: GitCommands.SWITCH, run: repository => this.pickAndSwitch(repository), isEnabled: begun },
            { command: GitCommands.CREATE_BRANCH, run: repository => this.createBranch(repository, ''), isEnabled: begun },
            { command: GitCommands.CREATE_BRANCH_FROM, run: repository => this.createBranchFrom(repository), isEnabled: begun },
            { command: GitCommands.RENAME_BRANCH, run: repository => this.renameBranch(repository), isEnabled: begun },
            { command: GitCommands.DELETE_BRANCH, run: repository => this.deleteBranch(repository), isEnabled: begun },
            { command: GitCommands.MERGE, run: repository => this.merge(repository), isEnabled: quiet },
            { command: GitCommands.REBASE, run: repository => this.rebase(repository), isEnabled: quiet },
            { command: GitCommands.CREATE_TAG, run: repository => this.createTag(repository, ''), isEnabled: begun },
            { command: GitCommands.DELETE_TAG, run: repository => this.deleteTag(repository), isEnabled: begun },
            { command: GitCommands.CONTINUE, run: repository => this.goOn(repository), isEnabled: state => stopped(state) && state.merge.length === 0 },
            { command: GitCommands.SKIP, run: repository => this.skip(repository), isEnabled: ({ operation }) => operation?.type === 'rebase' },
            { command: GitCommands.ABORT, run: repository => this.abort(repository), isEnabled: stopped }
        ];
    }

    protected async pickAndSwitch(repository: GitRepository): Promise<void> {
        const refs = await repository.ask('refs', 'refs');
        const own = new Set(refs.branches.map(({ name }) => name));
        const target = await this.prompts.pick<Target>('Switch to', [
            { label: '$(add) Create a new branch…', value: { type: 'create' } },
            ...section<GitBranch, Target>('Branches', refs.branches.filter(({ current }) => !current), branch => branchEntry(branch, { type: 'branch', name: branch.name })),
            ...section<GitBranch, Target>('Branches of Remotes', refs.remote_branches.filter(({ name }) => !own.has(localName(name))), branch =>
                branchEntry(branch, { type: 'remote', name: branch.name, local: localName(branch.name) })),
            ...section<GitTag, Target>('Tags', refs.tags, ({ name, commit }) => ({ label: `$(tag) ${name}`, description: shortId(commit), value: { type: 'tag', name } }))
        ], 'A branch or tag');
        switch (target?.type) {
            case 'create': return this.createBranch(repository, '');
            case 'remote': return this.switching(repository, () =>
                repository.run(`Switching to ${target.local}`, { create_branch: { name: target.local, from: target.name, switch: true } }));
            case 'branch':
            case 'tag': return this.switchTo(repository, target.name, target.type === 'tag');
        }
    }

    async switchTo(repository: GitRepository, to: string, detach: boolean): Promise<void> {
        await this.switching(repository, () => repository.run(`Switching to ${to}`, { switch: { to, detach } }));
    }

    /** Where changes are in the way, offers to put them aside meanwhile. */
    protected async switching(repository: GitRepository, run: () => Promise<unknown>): Promise<void> {
        try {
            await run();
        } catch (error) {
            if (!ShellProblem.is(error) || !IN_THE_WAY.includes(error.code)) {
                throw error;
            }
            if (await this.messages.warn(error.message, 'Stash and Switch') === undefined) {
                return;
            }
            await repository.run('Putting changes aside', { stash: { message: 'Put aside to switch branches', untracked: true, keep_index: false } });
            try {
                await run();
            } finally {
                await this.reportIntegration(await repository.run('Getting changes back', { apply_stash: { index: 0, pop: true } }));
            }
        }
    }

    async createBranch(repository: GitRepository, from: string): Promise<void> {
        const name = await this.prompts.branchName('Create a branch', from === '' ? 'Its name' : `Its name; it starts at ${from}`);
        if (name !== undefined) {
            await this.switching(repository, () => repository.run(`Creating ${name}`, { create_branch: { name, from, switch: true } }));
        }
    }

    protected async createBranchFrom(repository: GitRepository): Promise<void> {
        const from = await this.pickRevision(repository, 'Where shall the branch start?');
        if (from !== undefined) {
            await this.createBranch(repository, from);
        }
    }

    protected async renameBranch(repository: GitRepository): Promise<void> {
        const name = repository.state?.head.branch ?? await this.pickBranch(repository, 'Rename which branch?');
        const newName = name && await this.prompts.branchName(`Rename ${name}`, 'Its new name', name);
        if (name && newName && newName !== name) {
            await repository.run(`Renaming ${name}`, { rename_branch: { name, new_name: newName } });
        }
    }

    protected async deleteBranch(repository: GitRepository): Promise<void> {
        const name = await this.pickBranch(repository, 'Delete which branch?');
        if (name === undefined) {
            return;
        }
        const title = `Deleting ${name}`;
        try {
            await repository.run(title, { delete_branch: { name, force: false } });
        } catch (error) {
            if (!ShellProblem.is(error) || error.code !== 'git.not_merged') {
                throw error;
            }
            if (await this.prompts.confirm(`Delete “${name}”?`, error.message, 'Delete')) {
                await repository.run(title, { delete_branch: { name, force: true } });
            }
        }
    }

    protected async merge(repository: GitRepository): Promise<void> {
        const revision = await this.pickRevision(repository, 'Merge what?');
        if (revision === undefined) {
            return;
        }
        const how = await this.prompts.pick(`Merge ${revision} how?`, [
            { label: 'Merge', detail: 'Goes forward where it can, else makes a merge commit', value: { no_fast_forward: false, squash: false } },
            { label: 'Merge With a Merge Commit', detail: 'Also where it could go forward', value: { no_fast_forward: true, squash: false } },
            { label: 'Take Over as One Change', detail: 'Stages all its changes without a merge', value: { no_fast_forward: false, squash: true } }
        ]);
        if (how) {
            await this.reportIntegration(await repository.run(`Merging ${revision}`, { merge: { revision, ...how } }));
        }
    }

    protected async rebase(repository: GitRepository): Promise<void> {
        const onto = await this.pickRevision(repository, 'Rebase onto what?');
        if (onto !== undefined) {
            await this.reportIntegration(await repository.run(`Rebasing onto ${onto}`, { rebase: { onto } }));
        }
    }

    async createTag(repository: GitRepository, at: string): Promise<void> {
        const title = 'Create a tag';
        const name = await this.prompts.branchName(title, at === '' ? 'Its name' : `Its name; it marks ${shortId(at)}`);
        const message = name && await this.prompts.input({ title, prompt: 'A message, or nothing for a tag without one', check: () => undefined });
        if (name && message !== undefined) {
            await repository.run(`Creating ${name}`, { create_tag: { name, at, message } });
        }
    }

    protected async deleteTag(repository: GitRepository): Promise<void> {
        const { tags } = await repository.ask('refs', 'refs');
        const name = await this.prompts.pick('Delete which tag?', tags.map(tag => ({ label: `$(tag) ${tag.name}`, description: shortId(tag.commit), value: tag.name })));
        if (name !== undefined && await this.prompts.confirm(`Delete “${name}”?`, `The tag “${name}” will be deleted here; at remotes it stays.`, 'Delete')) {
            await repository.run(`Deleting ${name}`, { delete_tag: { name } });
        }
    }

    protected async goOn(repository: GitRepository): Promise<void> {
        await this.reportIntegration(await repository.run('Going on', 'continue_operation'));
    }

    protected async skip(repository: GitRepository): Promise<void> {
        if (await this.prompts.confirm('Skip this commit?', 'The commit at which the rebase stopped will be left out of the branch.', 'Skip')) {
            await this.reportIntegration(await repository.run('Skipping the commit', 'skip_commit'));
        }
    }

    protected async abort(repository: GitRepository): Promise<void> {
        const name = repository.state?.operation_name?.toLowerCase() ?? 'what is under way';
        const text = 'Everything is set back to before it was begun; what was solved since is lost.';
        if (await this.prompts.confirm(`Abort ${name}?`, text, 'Abort')) {
            await repository.run('Aborting', 'abort_operation');
        }
    }

    protected async pickBranch(repository: GitRepository, title: string): Promise<string | undefined> {
        const { branches } = await repository.ask('refs', 'refs');
        return this.prompts.pick(title, branches.filter(({ current }) => !current).map(branch => branchEntry(branch, branch.name)));
    }

    /** Any branch but the present one, or a tag. */
    protected async pickRevision(repository: GitRepository, title: string): Promise<string | undefined> {
        const { branches, remote_branches, tags }: GitRefs = await repository.ask('refs', 'refs');
        return this.prompts.pick(title, [
            ...section('Branches', branches.filter(({ current }) => !current), branch => branchEntry(branch, branch.name)),
            ...section('Branches of Remotes', remote_branches, branch => branchEntry(branch, branch.name)),
            ...section('Tags', tags, ({ name, commit }) => ({ label: `$(tag) ${name}`, description: shortId(commit), value: name }))
        ]);
    }
}

function section<T, V>(headline: string, things: readonly T[], toEntry: (thing: T) => PickEntry<V>): (PickEntry<V> | PickHeadline)[] {
    return things.length === 0 ? [] : [{ headline }, ...things.map(toEntry)];
}

function branchEntry<V>({ name, commit, summary }: GitBranch, value: V): PickEntry<V> {
    return { label: `$(git-branch) ${name}`, description: `${shortId(commit)} ${summary}`, value };
}

/** What a remote's branch is called here. */
function localName(name: string): string {
    return name.slice(name.indexOf('/') + 1);
}
