import { URI } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { GitAction, GitCommandContribution, resourcesOf } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitConflictRegions } from './git-conflict-regions';
import { fileOf } from './git-files';
import { GitRepository } from './git-repository';
import type { GitScmResource } from './git-scm-provider';
import type { GitState } from './git-types';

/** The path of a repository's whole work tree. */
const EVERYTHING = '';
/** Most files that a question names. */
const MAX_NAMED_FILES = 8;

/** Staging, unstaging and discarding whole files. */
@injectable()
export class GitChangeCommands extends GitCommandContribution {

    @inject(GitConflictRegions) protected readonly conflicts: GitConflictRegions;

    protected actions(): GitAction[] {
        const hasChanges = ({ work_tree, untracked, merge }: GitState): boolean => work_tree.length + untracked.length + merge.length > 0;
        return [
            { command: GitCommands.REFRESH, run: repository => repository.refresh() },
            { command: GitCommands.STAGE, run: (repository, args) => this.stage(repository, this.chosen(repository, args, 'workingTree', 'untracked', 'merge')) },
            { command: GitCommands.STAGE_ALL, run: repository => this.stageAll(repository), isEnabled: hasChanges },
            { command: GitCommands.UNSTAGE, run: (repository, args) => this.unstage(repository, this.chosen(repository, args, 'index')) },
            { command: GitCommands.UNSTAGE_ALL, run: repository => this.request(repository, 'Unstaging', 'unstage', [EVERYTHING]), isEnabled: ({ index }) => index.length > 0 },
            { command: GitCommands.DISCARD, run: (repository, args) => this.discard(repository, this.chosen(repository, args, 'workingTree', 'untracked')) },
            {
                command: GitCommands.DISCARD_ALL,
                run: repository => this.discard(repository, this.all(repository, 'workingTree', 'untracked')),
                isEnabled: ({ work_tree, untracked }) => work_tree.length + untracked.length > 0
            },
            { command: GitCommands.OPEN_CHANGES, run: (repository, args) => this.openEach(this.chosen(repository, args, 'workingTree', 'index', 'untracked', 'merge')) },
            { command: GitCommands.OPEN_FILE, run: async (repository, args) => this.openFiles(this.chosen(repository, args, 'workingTree', 'index', 'untracked', 'merge')) },
            { command: GitCommands.OPEN_HEAD, run: (repository, args) => this.openHead(repository, args) }
        ];
    }

    /** What a command was given of these groups; without anything, the changes of the file in the editor. */
    protected chosen(repository: GitRepository, args: readonly unknown[], ...groups: GitScmResource['group']['id'][]): GitScmResource[] {
        const given = resourcesOf(args);
        if (given.length > 0) {
            return given.filter(({ group }) => groups.includes(group.id));
        }
        const uri = this.givenFile(args);
        return uri ? this.all(repository, ...groups).filter(({ sourceUri }) => sourceUri.path.toString() === uri.path.toString()) : [];
    }

    protected givenFile([first]: readonly unknown[]): URI | undefined {
        const editor = this.editors.currentEditor?.editor;
        return first instanceof URI ? first : editor && fileOf(editor);
    }

    protected all(repository: GitRepository, ...groups: GitScmResource['group']['id'][]): GitScmResource[] {
        const provider = this.repositories.provider(repository);
        return provider ? groups.flatMap(group => provider.group(group).resources) : [];
    }

    protected async stage(repository: GitRepository, resources: readonly GitScmResource[]): Promise<void> {
        const unsolved = await this.withMarkers(resources.filter(({ resource }) => resource.conflict));
        const text = `${named(unsolved)} still has both sides of a conflict in it. Staging it marks the conflict as solved.`;
        if (unsolved.length === 0 || await this.prompts.confirm('Mark as solved?', text, 'Stage Anyway')) {
            await this.request(repository, 'Staging', 'stage', pathsOf(resources));
        }
    }

    protected async stageAll(repository: GitRepository): Promise<void> {
        const merge = this.all(repository, 'merge');
        if (merge.length > 0) {
            await this.stage(repository, [...merge, ...this.all(repository, 'workingTree', 'untracked')]);
        } else {
            await this.request(repository, 'Staging', 'stage', [EVERYTHING]);
        }
    }

    protected async unstage(repository: GitRepository, resources: readonly GitScmResource[]): Promise<void> {
        // A renamed file is unstaged under both its names.
        const sources = resources.flatMap(({ resource: { from, change } }) => from !== undefined && change === 'renamed' ? [from] : []);
        await this.request(repository, 'Unstaging', 'unstage', [...pathsOf(resources), ...sources]);
    }

    protected async discard(repository: GitRepository, resources: readonly GitScmResource[]): Promise<void> {
        if (resources.length === 0) {
            return;
        }
        const untracked = resources.filter(({ group }) => group.id === 'untracked');
        const parts = [
            untracked.length < resources.length && `The changes of ${named(resources.filter(resource => !untracked.includes(resource)))} that are not staged will be lost.`,
            untracked.length > 0 && `${named(untracked)} will be deleted; git does not have ${untracked.length === 1 ? 'it' : 'them'}.`
        ].filter(part => part !== false);
        if (await this.prompts.confirm('Discard changes?', `${parts.join(' ')} This cannot be undone.`, 'Discard')) {
            await this.request(repository, 'Discarding changes', 'discard', pathsOf(resources));
        }
    }

    protected async openEach(resources: readonly GitScmResource[]): Promise<void> {
        for (const resource of resources) {
            await resource.open();
        }
    }

    protected async openFiles(resources: readonly GitScmResource[]): Promise<void> {
        for (const { sourceUri } of resources) {
            await this.files.openFile(sourceUri);
        }
    }

    protected async openHead(repository: GitRepository, args: readonly unknown[]): Promise<void> {
        const [resource] = resourcesOf(args);
        const uri = resource ? repository.fileUri(resource.resource.from ?? resource.resource.path) : this.givenFile(args);
        if (uri) {
            await this.files.openAt(uri, 'HEAD');
        }
    }

    protected async withMarkers(resources: readonly GitScmResource[]): Promise<GitScmResource[]> {
        const found = await Promise.all(resources.map(async resource => await this.conflicts.isUnsolved(resource.sourceUri) ? resource : undefined));
        return found.filter(resource => resource !== undefined);
    }

    protected async request(repository: GitRepository, title: string, what: 'stage' | 'unstage' | 'discard', paths: string[]): Promise<void> {
        if (paths.length > 0) {
            await repository.run(title, { [what]: { paths } } as Record<typeof what, { paths: string[] }>);
        }
    }
}

function pathsOf(resources: readonly GitScmResource[]): string[] {
    return resources.map(({ resource }) => resource.path);
}

/** Files by their names, or how many there are. */
function named(resources: readonly GitScmResource[]): string {
    return resources.length <= MAX_NAMED_FILES
        ? resources.map(({ sourceUri }) => `“${sourceUri.path.base}”`).join(', ')
        : `${resources.length} files`;
}
