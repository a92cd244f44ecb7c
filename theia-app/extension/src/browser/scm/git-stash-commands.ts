import { inject, injectable } from '@theia/core/shared/inversify';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitCommits } from './git-commits';
import { GitRepository } from './git-repository';
import type { GitStash, GitState } from './git-types';

/** Putting changes aside, and having them back. */
@injectable()
export class GitStashCommands extends GitCommandContribution {

    @inject(GitCommits) protected readonly commits: GitCommits;

    protected actions(): GitAction[] {
        const changed = ({ index, work_tree, untracked }: GitState): boolean => index.length + work_tree.length + untracked.length > 0;
        const stashed = ({ stashes }: GitState): boolean => stashes > 0;
        return [
            { command: GitCommands.STASH, run: repository => this.stash(repository, {}), isEnabled: changed },
            { command: GitCommands.STASH_UNTRACKED, run: repository => this.stash(repository, { untracked: true }), isEnabled: changed },
            { command: GitCommands.STASH_KEEP_INDEX, run: repository => this.stash(repository, { keep_index: true }), isEnabled: changed },
            { command: GitCommands.STASH_SHOW, run: repository => this.show(repository), isEnabled: stashed },
            { command: GitCommands.STASH_APPLY, run: repository => this.apply(repository, false), isEnabled: stashed },
            { command: GitCommands.STASH_POP, run: repository => this.apply(repository, true), isEnabled: stashed },
            { command: GitCommands.STASH_DROP, run: repository => this.drop(repository), isEnabled: stashed }
        ];
    }

    protected async stash(repository: GitRepository, options: { untracked?: boolean, keep_index?: boolean }): Promise<void> {
        const message = await this.prompts.input({ title: 'Stash', prompt: 'What the changes are for, or nothing', check: () => undefined });
        if (message !== undefined) {
            await repository.run('Putting changes aside', { stash: { untracked: false, keep_index: false, ...options, message } });
        }
    }

    protected async show(repository: GitRepository): Promise<void> {
        const stash = await this.pick(repository, 'Show which stash?');
        if (stash) {
            await this.commits.pickAndShowFile(repository, `stash@{${stash.index}}`);
        }
    }

    protected async apply(repository: GitRepository, pop: boolean): Promise<void> {
        const stash = await this.pick(repository, pop ? 'Pop which stash?' : 'Apply which stash?');
        if (stash) {
            await this.reportIntegration(await repository.run('Getting changes back', { apply_stash: { index: stash.index, pop } }));
        }
    }

    protected async drop(repository: GitRepository): Promise<void> {
        const stash = await this.pick(repository, 'Drop which stash?');
        if (stash && await this.prompts.confirm('Drop the stash?', `The changes of “${stash.message}” will be lost.`, 'Drop')) {
            await repository.run('Dropping the stash', { drop_stash: { index: stash.index } });
        }
    }

    protected async pick(repository: GitRepository, title: string): Promise<GitStash | undefined> {
        const stashes = await repository.ask('stashes', 'stashes');
        return this.prompts.pick(title, stashes.map(stash => ({
            label: stash.message,
            description: [stash.branch && `on ${stash.branch}`, new Date(stash.created_at).toLocaleString()].filter(Boolean).join(', '),
            value: stash
        })));
    }
}
