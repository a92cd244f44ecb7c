import { CommandContribution, CommandRegistry, MessageService, URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { GitClient } from './git-client';
import { telling } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { folderNameOf, remoteUrlProblem } from './git-names';
import { GitPrompts } from './git-prompts';
import { GitRepositories } from './git-repositories';
import type { GitBranch } from './git-types';

const REMOTE = 'origin';
/** Branches that are likely the main one, the likeliest first. */
const MAIN_BRANCHES = ['main', 'master', 'trunk', 'develop'];

/** Making repositories where there is none: what needs no repository to be called. */
@injectable()
export class GitSetupCommands implements CommandContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(GitClient) protected readonly client: GitClient;
    @inject(GitPrompts) protected readonly prompts: GitPrompts;
    @inject(GitRepositories) protected readonly repositories: GitRepositories;
    @inject(MessageService) protected readonly messages: MessageService;

    registerCommands(registry: CommandRegistry): void {
        registry.registerCommand(GitCommands.INIT, { execute: () => telling(this.messages, () => this.init()) });
        registry.registerCommand(GitCommands.CLONE, { execute: () => telling(this.messages, () => this.clone()) });
    }

    protected async init(): Promise<void> {
        const root = this.host.rootUri;
        const isRepository = this.repositories.all.some(({ path }) => path === root.path.toString());
        const folder = await this.prompts.input({
            title: 'Make a repository',
            prompt: isRepository ? 'Of which folder, below the workspace’s?' : 'Of which folder, below the workspace’s? Empty for the workspace itself.',
            check: text => isRepository ? folderProblem(text) : text === '' ? undefined : folderProblem(text)
        });
        if (folder === undefined) {
            return;
        }
        const path = folder === '' ? root.path.toString() : (await this.makeFolder(root.resolve(folder))).path.toString();
        await this.client.run(path, 'Making a repository', { init: { branch: '' } });
        await this.repositories.rediscover();
    }

    /**
     * Made of the steps that each repository has, so that a login is asked for where it is needed, and so that what came over is kept
     * when the connection breaks.
     */
    protected async clone(): Promise<void> {
        const title = 'Clone into the workspace';
        const url = await this.prompts.input({ title, prompt: 'The repository’s address, as https://git.example.org/me/project.git', check: remoteUrlProblem });
        const folder = url && await this.prompts.input({ title, prompt: 'The folder to make for it, below the workspace’s', value: folderNameOf(url), check: folderProblem });
        if (!url || !folder) {
            return;
        }
        const uri = this.host.rootUri.resolve(folder);
        const path = uri.path.toString();
        if (await this.exists(path)) {
            this.messages.error(`“${folder}” exists already; choose another folder.`);
            return;
        }
        await this.makeFolder(uri);
        try {
            await this.client.run(path, `Cloning ${folder}`, { init: { branch: '' } });
            await this.client.run(path, `Cloning ${folder}`, { add_remote: { name: REMOTE, url } });
            await this.client.run(path, `Cloning ${folder}`, { fetch: { remote: REMOTE, prune: false } });
        } catch (error) {
            // Nothing of the person's is in it yet.
            await this.host.shell.delete(path, true).catch(() => undefined);
            throw error;
        }
        await this.checkOut(path, folder);
        await this.repositories.rediscover();
    }

    protected async checkOut(path: string, folder: string): Promise<void> {
        const { remote_branches } = await this.client.ask(path, 'refs', 'refs');
        const branches = remote_branches.filter(({ name }) => name.startsWith(`${REMOTE}/`) && name !== `${REMOTE}/HEAD`);
        const branch = await this.mainOf(branches);
        if (branch) {
            await this.client.run(path, `Checking out ${folder}`, { create_branch: { name: branch.name.slice(REMOTE.length + 1), from: branch.name, switch: true } });
        } else if (branches.length === 0) {
            this.messages.info(`“${folder}” has no commit yet.`);
        }
    }

    /** The only branch or the one with a usual name; asks where it is neither. */
    protected async mainOf(branches: readonly GitBranch[]): Promise<GitBranch | undefined> {
        const usual = MAIN_BRANCHES.map(name => branches.find(branch => branch.name === `${REMOTE}/${name}`)).find(branch => branch !== undefined);
        return branches.length <= 1 ? branches[0] : usual
            ?? this.prompts.pick('Check out which branch?', branches.map(branch => ({ label: branch.name, description: branch.summary, value: branch })));
    }

    protected async makeFolder(uri: URI): Promise<URI> {
        await this.host.shell.makeFolder(uri.path.toString());
        return uri;
    }

    protected async exists(path: string): Promise<boolean> {
        try {
            await this.host.shell.stat(path);
            return true;
        } catch (error) {
            if (ShellProblem.hasKind(error, 'not_found')) {
                return false;
            }
            throw error;
        }
    }
}

function folderProblem(folder: string): string | undefined {
    const parts = folder.split('/');
    return parts.some(part => part === '' || part === '.' || part === '..') ? 'A folder below the workspace’s is wanted, as libraries/project.' : undefined;
}
