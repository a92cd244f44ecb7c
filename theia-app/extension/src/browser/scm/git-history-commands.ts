import { CommandRegistry, SelectionService, URI } from '@theia/core';
import { WidgetManager, ViewContainer } from '@theia/core/lib/browser';
import { ClipboardService } from '@theia/core/lib/browser/clipboard-service';
import { UriAwareCommandHandler } from '@theia/core/lib/common/uri-command-handler';
import { inject, injectable } from '@theia/core/shared/inversify';
import { SCM_VIEW_CONTAINER_ID, ScmContribution } from '@theia/scm/lib/browser/scm-contribution';
import { ScmHistoryGraphWidget } from '@theia/scm/lib/browser/scm-history-graph-widget';
import { GitBranchCommands } from './git-branch-commands';
import { GitAction, GitCommandContribution } from './git-command-contribution';
import { GitCommands } from './git-commands';
import { GitCommits } from './git-commits';
import { HistoryFilter } from './git-history';
import { GitRepository } from './git-repository';
import type { GitState } from './git-types';

/** How much of the view's height the graph gets when it is first opened. */
const GRAPH_SHARE = 0.5;

/** Looking into the history, and acting upon its commits. */
@injectable()
export class GitHistoryCommands extends GitCommandContribution {

    @inject(GitCommits) protected readonly commits: GitCommits;
    @inject(GitBranchCommands) protected readonly branches: GitBranchCommands;
    @inject(ClipboardService) protected readonly clipboard: ClipboardService;
    @inject(SelectionService) protected readonly selection: SelectionService;
    @inject(WidgetManager) protected readonly widgets: WidgetManager;
    @inject(ScmContribution) protected readonly view: ScmContribution;

    override registerCommands(registry: CommandRegistry): void {
        super.registerCommands(registry);
        registry.registerCommand(GitCommands.FILE_HISTORY, UriAwareCommandHandler.MonoSelect(this.selection, {
            execute: uri => this.telling(() => this.showHistoryOf(uri)),
            isEnabled: uri => this.repositories.find(uri) !== undefined,
            isVisible: uri => this.repositories.find(uri) !== undefined
        }));
    }

    protected actions(): GitAction[] {
        const begun = ({ head }: GitState): boolean => head.commit !== undefined;
        const quiet = (state: GitState): boolean => begun(state) && !state.operation;
        const withCommit = (title: string, run: (repository: GitRepository, commit: string) => Promise<void>): GitAction['run'] =>
            async (repository, args) => {
                const commit = commitOf(args) ?? await this.commits.pickCommit(repository, title);
                if (commit !== undefined) {
                    await run(repository, commit);
                }
            };
        return [
            { command: GitCommands.SHOW_HISTORY, run: repository => this.show(repository) },
            { command: GitCommands.SEARCH_HISTORY, run: repository => this.search(repository), isEnabled: begun },
            { command: GitCommands.ALL_HISTORY, run: repository => this.show(repository, { all: true }), isEnabled: begun },
            { command: GitCommands.CLEAR_HISTORY, run: repository => this.show(repository, {}) },
            {
                command: GitCommands.SHOW_COMMIT,
                run: withCommit('Show which commit?', (repository, commit) => this.commits.pickAndShowFile(repository, commit)),
                isEnabled: begun
            },
            { command: GitCommands.COMMIT_COPY_ID, run: withCommit('Copy whose id?', (_, commit) => this.copy(commit)), isEnabled: begun },
            {
                command: GitCommands.COMMIT_COPY_MESSAGE,
                run: withCommit('Copy whose message?', (repository, commit) => this.copyMessage(repository, commit)),
                isEnabled: begun
            },
            {
                command: GitCommands.COMMIT_SWITCH,
                run: withCommit('Check out which commit?', (repository, commit) => this.branches.switchTo(repository, commit, true)),
                isEnabled: quiet
            },
            {
                command: GitCommands.COMMIT_BRANCH,
                run: withCommit('Start at which commit?', (repository, commit) => this.branches.createBranch(repository, commit)),
                isEnabled: begun
            },
            {
                command: GitCommands.COMMIT_TAG,
                run: withCommit('Mark which commit?', (repository, commit) => this.branches.createTag(repository, commit)),
                isEnabled: begun
            },
            {
                command: GitCommands.COMMIT_CHERRY_PICK,
                run: withCommit('Take over which commit?', (repository, commit) => this.cherryPick(repository, commit)),
                isEnabled: quiet
            },
            {
                command: GitCommands.COMMIT_REVERT,
                run: withCommit('Take back which commit?', (repository, commit) => this.revert(repository, commit)),
                isEnabled: quiet
            },
            {
                command: GitCommands.COMMIT_COMPARE,
                run: withCommit('Compare with which commit?', (repository, commit) => this.compare(repository, commit)),
                isEnabled: begun
            },
            {
                command: GitCommands.COMMIT_OPEN_FILE,
                run: withCommit('Open a file of which commit?', (repository, commit) => this.openFile(repository, commit)),
                isEnabled: begun
            }
        ];
    }

    protected async search(repository: GitRepository): Promise<void> {
        const value = this.filterOf(repository)?.search;
        const search = await this.prompts.input({ title: 'Search the history', prompt: 'Words in a commit’s message, author or id', value });
        if (search !== undefined) {
            await this.show(repository, { ...this.filterOf(repository), search });
        }
    }

    protected async showHistoryOf(uri: URI): Promise<void> {
        const repository = this.repositories.find(uri);
        if (repository) {
            const path = repository.relative(uri);
            await this.show(repository, path === '' ? {} : { path });
        }
    }

    protected filterOf(repository: GitRepository): HistoryFilter | undefined {
        return this.repositories.provider(repository)?.historyProvider.filter;
    }

    /** Shows the graph, with another part of the history where one is named. */
    protected async show(repository: GitRepository, filter?: HistoryFilter): Promise<void> {
        this.repositories.select(repository);
        const history = this.repositories.provider(repository)?.historyProvider;
        if (filter && history) {
            history.filter = filter;
        }
        await this.view.openView({ activate: true });
        const container = await this.widgets.getWidget<ViewContainer>(SCM_VIEW_CONTAINER_ID);
        const graph = await this.widgets.getWidget<ScmHistoryGraphWidget>(ScmHistoryGraphWidget.ID);
        const part = graph && container?.getPartFor(graph);
        if (graph && container && part) {
            graph.title.label = titleOf(history?.filter ?? {});
            part.setHidden(false);
            part.uncollapsedSize ??= container.node.offsetHeight * GRAPH_SHARE;
            part.collapsed = false;
            graph.activate();
        }
    }

    protected async copy(text: string): Promise<void> {
        await this.clipboard.writeText(text);
    }

    protected async copyMessage(repository: GitRepository, id: string): Promise<void> {
        const { commit } = await this.commits.details(repository, id);
        await this.copy(commit.message);
    }

    protected async cherryPick(repository: GitRepository, revision: string): Promise<void> {
        await this.reportIntegration(await repository.run('Taking over the commit', { cherry_pick: { revision } }));
    }

    protected async revert(repository: GitRepository, revision: string): Promise<void> {
        await this.reportIntegration(await repository.run('Taking back the commit', { revert: { revision } }));
    }

    protected async compare(repository: GitRepository, revision: string): Promise<void> {
        const picked = await this.commits.pickFile(repository, revision, 'Compare a file of');
        if (picked) {
            await this.commits.compareWithWorkTree(repository.fileUri(picked.file.path), picked.commit.id);
        }
    }

    protected async openFile(repository: GitRepository, revision: string): Promise<void> {
        const picked = await this.commits.pickFile(repository, revision, 'Open a file of');
        if (picked) {
            const { commit, file } = picked;
            const gone = file.change === 'deleted';
            await this.files.openAt(repository.fileUri(file.path), gone ? commit.parents[0] : commit.id);
        }
    }
}

/** The commit of the graph's row that a command was called on, or an id as it is. */
function commitOf([first, second]: readonly unknown[]): string | undefined {
    const item = second as { readonly type?: unknown, readonly id?: unknown } | undefined;
    return item?.type === 'historyItem' && typeof item.id === 'string' ? item.id : typeof first === 'string' ? first : undefined;
}

function titleOf({ path, search, all }: HistoryFilter): string {
    const parts = [path, search && `“${search}”`, all && 'all branches'].filter(Boolean);
    return parts.length > 0 ? `Graph: ${parts.join(', ')}` : ScmHistoryGraphWidget.LABEL;
}
