import { MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellProblem } from '../shell/shell-problem';
import { remoteUrlProblem } from './git-names';
import { GitPrompts } from './git-prompts';
import { GitRepository } from './git-repository';
import type { GitRemote, GitReply, PushRequest } from './git-types';

/** What everybody calls the first remote. */
const FIRST_REMOTE = 'origin';

/** Steps with remotes that several commands share. */
@injectable()
export class GitRemoteActions {

    @inject(GitPrompts) protected readonly prompts: GitPrompts;
    @inject(MessageService) protected readonly messages: MessageService;

    /** Sends the branch to the one it follows; publishes it where it follows none. */
    async push(repository: GitRepository, options: Partial<PushRequest> = {}): Promise<void> {
        if (!repository.state?.head.upstream && !options.remote) {
            return this.publish(repository, options);
        }
        await this.send(repository, options);
    }

    /** Sends the branch to a remote, and lets it follow the one there. */
    async publish(repository: GitRepository, options: Partial<PushRequest> = {}): Promise<void> {
        const remote = await this.pickRemote(repository, 'Publish the branch where?');
        const branch = repository.state?.head.branch;
        if (remote && branch) {
            await this.send(repository, { ...options, remote, branch, set_upstream: true });
        }
    }

    /** The name of a remote: the only one, the one that the person picks, or one that they add. */
    async pickRemote(repository: GitRepository, title: string): Promise<string | undefined> {
        const remotes = await this.remotes(repository);
        if (remotes.length === 1) {
            return remotes[0].name;
        }
        return remotes.length === 0
            ? this.addRemote(repository)
            : this.prompts.pick(title, remotes.map(({ name, push_url }) => ({ label: name, description: push_url, value: name })));
    }

    remotes(repository: GitRepository): Promise<GitRemote[]> {
        return repository.ask('remotes', 'remotes');
    }

    async addRemote(repository: GitRepository): Promise<string | undefined> {
        const title = 'Add a remote';
        const url = await this.prompts.input({ title, prompt: 'Its address, as https://git.example.org/me/project.git', check: remoteUrlProblem });
        if (url === undefined) {
            return undefined;
        }
        const taken = (await this.remotes(repository)).map(({ name }) => name);
        const value = taken.includes(FIRST_REMOTE) ? undefined : FIRST_REMOTE;
        const name = await this.prompts.branchName(title, 'Its name', value);
        if (name !== undefined) {
            await repository.run(`Adding ${name}`, { add_remote: { name, url } });
        }
        return name;
    }

    pull(repository: GitRepository, options: { remote?: string, branch?: string, rebase?: boolean } = {}): Promise<GitReply> {
        return repository.run('Pulling', { pull: { remote: '', branch: '', rebase: false, ...options } });
    }

    protected async send(repository: GitRepository, options: Partial<PushRequest>): Promise<void> {
        const plain: PushRequest = { remote: '', branch: '', set_upstream: false, force_with_lease: false, tags: false };
        try {
            await repository.run('Pushing', { push: { ...plain, ...options } });
        } catch (error) {
            if (!ShellProblem.is(error) || error.code !== 'git.diverged') {
                throw error;
            }
            if (await this.messages.warn(error.message, 'Pull and Push') === undefined) {
                return;
            }
            const reply = await this.pull(repository);
            if (typeof reply === 'object' && 'integrated' in reply && reply.integrated.type !== 'conflicts') {
                await repository.run('Pushing', { push: { ...plain, ...options } });
            }
        }
    }
}
