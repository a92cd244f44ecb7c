import { inject, injectable } from '@theia/core/shared/inversify';
import { ChoiceDialog } from '../problems/choice-dialog';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { fileOf } from './git-files';
import { GitRemoteActions } from './git-remote-actions';
import { GitRepository } from './git-repository';
import type { CommitRequest, GitState } from './git-types';

/** Recording what is staged. */
@injectable()
export class GitCommitCommands extends GitCommandContribution {

    @inject(GitRemoteActions) protected readonly remotes: GitRemoteActions;

    protected actions(): GitAction[] {
        const solved = ({ merge }: GitState): boolean => merge.length === 0;
        const begun = ({ head }: GitState): boolean => head.commit !== undefined;
        const commit = (options: Partial<CommitRequest>): GitAction['run'] => async repository => { await this.commit(repository, options); };
        return [
            { command: GitCommands.COMMIT, run: commit({}), isEnabled: solved },
            { command: GitCommands.COMMIT_ALL, run: commit({ all: true }), isEnabled: solved },
            { command: GitCommands.COMMIT_AMEND, run: commit({ amend: true }), isEnabled: state => solved(state) && begun(state) && !state.operation },
            { command: GitCommands.COMMIT_SIGNED_OFF, run: commit({ sign_off: true }), isEnabled: solved },
            { command: GitCommands.COMMIT_EMPTY, run: commit({ allow_empty: true }), isEnabled: solved },
            { command: GitCommands.COMMIT_NO_VERIFY, run: commit({ no_verify: true }), isEnabled: solved },
            { command: GitCommands.COMMIT_AND_PUSH, run: repository => this.commitAndPush(repository), isEnabled: state => solved(state) && state.head.branch !== undefined },
            { command: GitCommands.UNDO_COMMIT, run: repository => this.undo(repository), isEnabled: state => begun(state) && !state.operation },
            { command: GitCommands.SET_IDENTITY, run: repository => this.setIdentity(repository) }
        ];
    }

    /** Answers whether a commit was made. */
    protected async commit(repository: GitRepository, options: Partial<CommitRequest>): Promise<boolean> {
        if (!await this.saveFirst(repository)) {
            return false;
        }
        const all = await this.isToTakeAll(repository, options);
        const message = all === undefined ? undefined : await this.messageOf(repository, options);
        if (all === undefined || message === undefined) {
            return false;
        }
        const plain = { amend: false, sign_off: false, allow_empty: false, no_verify: false };
        await repository.run('Committing', { commit: { ...plain, ...options, all, message } });
        const input = this.repositories.shown(repository)?.input;
        if (input) {
            input.value = '';
        }
        return true;
    }

    protected async commitAndPush(repository: GitRepository): Promise<void> {
        if (await this.commit(repository, {})) {
            await this.remotes.push(repository);
        }
    }

    /** What is typed but not saved would be missing from the commit. */
    protected async saveFirst(repository: GitRepository): Promise<boolean> {
        const unsaved = this.editors.all.filter(widget => widget.saveable.dirty && this.repositories.find(fileOf(widget.editor)) === repository);
        if (unsaved.length === 0) {
            return true;
        }
        const names = unsaved.map(widget => `“${fileOf(widget.editor).path.base}”`).join(', ');
        const choice = await new ChoiceDialog('Save before the commit?', `${names} ${unsaved.length === 1 ? 'is' : 'are'} not saved.`, [
            { label: 'Commit as Saved', value: 'commit' },
            { label: 'Save and Commit', value: 'save' }
        ] as const).open();
        if (choice === 'save') {
            await Promise.all(unsaved.map(widget => widget.saveable.save()));
            await repository.refresh();
        }
        return choice !== undefined;
    }

    /** Whether to take all changes of tracked files; asks where nothing is staged. `undefined` where there is nothing to commit. */
    protected async isToTakeAll(repository: GitRepository, options: Partial<CommitRequest>): Promise<boolean | undefined> {
        const { index, work_tree, untracked, operation } = repository.state!;
        if (options.all || options.amend || options.allow_empty || operation || index.length > 0) {
            return options.all ?? false;
        }
        if (work_tree.length + untracked.length === 0) {
            this.messages.info('There is nothing to commit: no file is changed.');
            return undefined;
        }
        const choices = [
            ...untracked.length > 0 ? [{ label: 'Stage Everything and Commit', value: 'everything' as const }] : [],
            ...work_tree.length > 0 ? [{ label: 'Commit All Tracked Changes', value: 'tracked' as const }] : []
        ];
        const files = (count: number, change: string): string[] => count === 0 ? [] : [`${count} ${count === 1 ? 'file is' : 'files are'} ${change}`];
        const text = [...files(work_tree.length, 'changed'), ...files(untracked.length, 'not tracked yet')].join(', ');
        const choice = await new ChoiceDialog('Nothing is staged', `${text}.`, choices).open();
        if (choice === 'everything') {
            await repository.run('Staging', { stage: { paths: [''] } });
        }
        return choice && choice === 'tracked';
    }

    /** What stands in the box, else what the person is asked for; an amended commit may keep its message. */
    protected async messageOf(repository: GitRepository, options: Partial<CommitRequest>): Promise<string | undefined> {
        const typed = this.repositories.shown(repository)?.input.value.trim();
        if (typed || options.amend) {
            return typed ?? '';
        }
        return this.prompts.input({ title: 'Commit', prompt: 'What this commit does' });
    }

    /** Its message goes back into the box, so that it can be committed anew. */
    protected async undo(repository: GitRepository): Promise<void> {
        const { commit } = await repository.ask({ commit_details: { revision: 'HEAD' } }, 'commit');
        const { ahead, upstream } = repository.state!.head;
        if (upstream && ahead === 0) {
            const text = `“${commit.summary}” is at ${upstream} already. Undoing it here leaves it there, and the two will disagree.`;
            if (!await this.prompts.confirm('Undo a commit that was pushed?', text, 'Undo')) {
                return;
            }
        }
        await repository.run('Undoing the last commit', 'undo_commit');
        const input = this.repositories.shown(repository)?.input;
        if (input?.value === '') {
            input.value = commit.message.trim();
        }
    }

    protected async setIdentity(repository: GitRepository): Promise<void> {
        const known = await repository.ask('identity', 'identity');
        const identity = await this.prompts.identity(known);
        if (!identity) {
            return;
        }
        const local = await this.prompts.pick('For which repositories?', [
            { label: 'For All of Mine', value: false },
            { label: `Only for ${repository.name}`, value: true }
        ]);
        if (local !== undefined) {
            await repository.run('Setting name and e-mail', { set_identity: { identity, local } });
        }
    }
}
