import { inject, injectable } from '@theia/core/shared/inversify';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitRemoteActions } from './git-remote-actions';
import { GitRepository } from './git-repository';
import type { GitState } from './git-types';

/** Exchanging commits with other places. */
@injectable()
export class GitRemoteCommands extends GitCommandContribution {

    @inject(GitRemoteActions) protected readonly remotes: GitRemoteActions;

    protected actions(): GitAction[] {
        const onBranch = ({ head }: GitState): boolean => head.branch !== undefined && head.commit !== undefined;
        const follows = ({ head }: GitState): boolean => head.upstream !== undefined;
        return [
            { command: GitCommands.SYNC, run: repository => this.sync(repository), isEnabled: onBranch },
            { command: GitCommands.FETCH, run: repository => this.fetch(repository, false) },
            { command: GitCommands.FETCH_PRUNE, run: repository => this.fetch(repository, true) },
            { command: GitCommands.PULL, run: repository => this.pull(repository, false), isEnabled: follows },
            { command: GitCommands.PULL_REBASE, run: repository => this.pull(repository, true), isEnabled: follows },
            { command: GitCommands.PULL_FROM, run: repository => this.pullFrom(repository) },
            { command: GitCommands.PUSH, run: repository => this.remotes.push(repository), isEnabled: onBranch },
            { command: GitCommands.PUSH_TAGS, run: repository => this.remotes.push(repository, { tags: true }), isEnabled: onBranch },
            { command: GitCommands.PUSH_FORCE, run: repository => this.pushForce(repository), isEnabled: state => onBranch(state) && follows(state) },
            { command: GitCommands.PUSH_TO, run: repository => this.pushTo(repository), isEnabled: onBranch },
            { command: GitCommands.PUBLISH, run: repository => this.remotes.publish(repository), isEnabled: onBranch },
            { command: GitCommands.ADD_REMOTE, run: async repository => { await this.remotes.addRemote(repository); } },
            { command: GitCommands.REMOVE_REMOTE, run: repository => this.removeRemote(repository) },
            { command: GitCommands.FORGET_LOGIN, run: () => this.forgetLogin() }
        ];
    }

    /** Takes what is new there, then sends what is new here. */
    protected async sync(repository: GitRepository): Promise<void> {
        if (!repository.state?.head.upstream) {
            return this.remotes.publish(repository);
        }
        const pulled = await this.remotes.pull(repository);
        const upToDate = typeof pulled === 'object' && 'integrated' in pulled && pulled.integrated.type === 'up_to_date';
        // That there is nothing new there is worth no word: there may be something to send.
        if ((upToDate || await this.reportIntegration(pulled)) && (repository.state?.head.ahead ?? 0) > 0) {
            await this.remotes.push(repository);
        }
    }

    protected async fetch(repository: GitRepository, prune: boolean): Promise<void> {
        await repository.run('Fetching', { fetch: { remote: '', prune } });
    }

    protected async pull(repository: GitRepository, rebase: boolean): Promise<void> {
        await this.reportIntegration(await this.remotes.pull(repository, { rebase }));
    }

    protected async pullFrom(repository: GitRepository): Promise<void> {
        const { remote_branches } = await repository.ask('refs', 'refs');
        const remotes = await this.remotes.remotes(repository);
        const entries = remote_branches.flatMap(({ name, summary }) => {
            const remote = remotes.find(candidate => name.startsWith(`${candidate.name}/`))?.name;
            return remote === undefined ? [] : [{ label: name, description: summary, value: { remote, branch: name.slice(remote.length + 1) } }];
        });
        const source = await this.prompts.pick('Pull from where?', entries);
        if (source) {
            await this.reportIntegration(await this.remotes.pull(repository, source));
        }
    }

    protected async pushTo(repository: GitRepository): Promise<void> {
        const remote = await this.remotes.pickRemote(repository, 'Push to where?');
        const branch = repository.state?.head.branch;
        if (remote && branch) {
            await this.remotes.push(repository, { remote, branch });
        }
    }

    protected async pushForce(repository: GitRepository): Promise<void> {
        const { upstream } = repository.state!.head;
        const text = `What is at ${upstream} will be replaced by your branch, as long as nobody has pushed there since you last fetched. Commits that are only there are lost.`;
        if (await this.prompts.confirm('Replace the remote branch?', text, 'Replace')) {
            await this.remotes.push(repository, { force_with_lease: true });
        }
    }

    protected async removeRemote(repository: GitRepository): Promise<void> {
        const remotes = await this.remotes.remotes(repository);
        const name = await this.prompts.pick('Remove which remote?', remotes.map(remote => ({ label: remote.name, description: remote.fetch_url, value: remote.name })));
        const text = `“${name}” and what was fetched from it will be forgotten here; at the remote nothing changes.`;
        if (name !== undefined && await this.prompts.confirm(`Remove “${name}”?`, text, 'Remove')) {
            await repository.run(`Removing ${name}`, { remove_remote: { name } });
        }
    }

    protected async forgetLogin(): Promise<void> {
        const logins = await this.host.shell.listGitCredentials();
        if (logins.length === 0) {
            this.messages.info('No login is kept.');
            return;
        }
        const id = await this.prompts.pick('Forget which login?', logins.map(login => ({ label: `${login.username} at ${login.host}`, value: login.id })));
        if (id !== undefined) {
            await this.host.shell.removeGitCredential(id);
        }
    }
}
