import { Command, CommandContribution, CommandRegistry, CommandService, MessageService, URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { GitFiles } from './git-files';
import { GitPrompts } from './git-prompts';
import { GitRepositories } from './git-repositories';
import { GitRepository } from './git-repository';
import { GitScmGroup, GitScmProvider, GitScmResource } from './git-scm-provider';
import type { GitReply, GitState } from './git-types';

/** What a command does, and for which repositories. */
export interface GitAction {
    readonly command: Command;
    readonly run: (repository: GitRepository, args: readonly unknown[]) => Promise<void>;
    /** Whether it makes sense now; always where absent. */
    readonly isEnabled?: (state: GitState, repository: GitRepository) => boolean;
}

/** Runs something, and tells the person where it fails. */
export async function telling(messages: MessageService, work: () => Promise<void>): Promise<void> {
    try {
        await work();
    } catch (error) {
        if (!ShellProblem.hasKind(error, 'cancelled')) {
            messages.error(ShellProblem.describe(error));
        }
    }
}

/** Registers commands that each are for one repository, and tells what went wrong. */
@injectable()
export abstract class GitCommandContribution implements CommandContribution {

    @inject(GitRepositories) protected readonly repositories: GitRepositories;
    @inject(GitPrompts) protected readonly prompts: GitPrompts;
    @inject(GitFiles) protected readonly files: GitFiles;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(CommandService) protected readonly commandService: CommandService;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(ShellHost) protected readonly host: ShellHost;

    protected abstract actions(): readonly GitAction[];

    registerCommands(registry: CommandRegistry): void {
        for (const { command, run, isEnabled } of this.actions()) {
            registry.registerCommand(command, {
                execute: (...args: unknown[]) => this.execute(run, args),
                isEnabled: (...args: unknown[]) => {
                    const repository = this.repositoryOf(args);
                    return repository !== undefined && (!isEnabled || !!repository.state && isEnabled(repository.state, repository));
                }
            });
        }
    }

    protected async execute(run: GitAction['run'], args: readonly unknown[]): Promise<void> {
        const repository = this.repositoryOf(args);
        if (repository) {
            await this.telling(() => run(repository, args));
        }
    }

    protected telling(work: () => Promise<void>): Promise<void> {
        return telling(this.messages, work);
    }

    /** The repository that a command is for, by what it was given; else the one that the person looks at. */
    protected repositoryOf([first]: readonly unknown[]): GitRepository | undefined {
        if (first instanceof GitScmResource || first instanceof GitScmProvider) {
            return first.repository;
        }
        if (first instanceof GitScmGroup) {
            return first.provider.repository;
        }
        if (first instanceof URI) {
            return this.repositories.find(first);
        }
        return this.repositories.ofHandle((first as { sourceControlHandle?: unknown } | undefined)?.sourceControlHandle) ?? this.repositories.selected;
    }

    /** Tells how bringing changes together ended; answers whether it is done. */
    protected async reportIntegration(reply: GitReply, upToDate = 'There was nothing to do: everything is up to date.'): Promise<boolean> {
        if (typeof reply !== 'object' || !('integrated' in reply)) {
            return true;
        }
        const { integrated } = reply;
        if (integrated.type === 'up_to_date') {
            this.messages.info(upToDate);
        }
        if (integrated.type !== 'conflicts') {
            return true;
        }
        const count = integrated.paths.length;
        const text = `${count === 1 ? 'One file has' : `${count} files have`} conflicts; solve them, then go on or abort.`;
        // Whoever called does not wait for the answer.
        this.messages.warn(text, 'Show').then(answer => answer && this.commandService.executeCommand('scmView:toggle'));
        return false;
    }
}

/** The changed files that a command was given, by themselves or as groups. */
export function resourcesOf(args: readonly unknown[]): GitScmResource[] {
    const resources = args.flatMap(arg => arg instanceof GitScmGroup ? arg.resources : arg instanceof GitScmResource ? [arg] : []);
    return [...new Set(resources)];
}
