import '../../../resources/git.css';
import { CommandContribution, MenuContribution, ResourceResolver } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { ColorContribution } from '@theia/core/lib/browser/color-application-contribution';
import { TabBarToolbarContribution } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { interfaces } from '@theia/core/shared/inversify';
import { ScmHistoryGraphWidget } from '@theia/scm/lib/browser/scm-history-graph-widget';
import { bindBlamePreferences, GitBlame } from './git-blame';
import { GitBranchCommands } from './git-branch-commands';
import { GitChangeCommands } from './git-change-commands';
import { GitClient } from './git-client';
import { GitCommitCommands } from './git-commit-commands';
import { GitCommits } from './git-commits';
import { GitConflictRegions } from './git-conflict-regions';
import { GitConflicts } from './git-conflicts';
import { GitDecorations } from './git-decorations';
import { GitFiles } from './git-files';
import { GitHistory } from './git-history';
import { GitHistoryCommands } from './git-history-commands';
import { GitLineCommands } from './git-line-commands';
import { GitMenus } from './git-menus';
import { GitPrompts } from './git-prompts';
import { GitRemoteActions } from './git-remote-actions';
import { GitRemoteCommands } from './git-remote-commands';
import { GitRepositories } from './git-repositories';
import { GitRepository } from './git-repository';
import { GitResourceResolver } from './git-resource-resolver';
import { GitScmProvider, GitScmProviderFactory } from './git-scm-provider';
import { GitSetupCommands } from './git-setup-commands';
import { GitStashCommands } from './git-stash-commands';
import { KeyboardHistoryGraph } from './keyboard-history-graph';

/** Git in Theia's view for source control. */
export function bindGit(bind: interfaces.Bind, rebind: interfaces.Rebind): void {
    for (const service of [GitClient, GitPrompts, GitFiles, GitCommits, GitRemoteActions, GitConflictRegions]) {
        bind<object>(service).toSelf().inSingletonScope();
    }
    bind(GitScmProviderFactory).toDynamicValue(({ container }): GitScmProviderFactory => (repository: GitRepository) =>
        new GitScmProvider(repository, new GitHistory(repository), container.get(GitFiles).openChanges));

    const contribute = (contribution: interfaces.Newable<object>, ...to: symbol[]): void => {
        bind(contribution).toSelf().inSingletonScope();
        to.forEach(seam => bind(seam).toService(contribution));
    };
    contribute(GitRepositories, FrontendApplicationContribution);
    contribute(GitResourceResolver, ResourceResolver);
    contribute(GitDecorations, FrontendApplicationContribution, ColorContribution);
    for (const commands of [GitSetupCommands, GitChangeCommands, GitCommitCommands, GitBranchCommands, GitRemoteCommands, GitStashCommands, GitHistoryCommands]) {
        contribute(commands, CommandContribution);
    }
    contribute(GitLineCommands, CommandContribution, MenuContribution, TabBarToolbarContribution);
    contribute(GitConflicts, CommandContribution, FrontendApplicationContribution);
    contribute(GitBlame, CommandContribution, FrontendApplicationContribution);
    contribute(GitMenus, MenuContribution, TabBarToolbarContribution, FrontendApplicationContribution);
    bindBlamePreferences(bind);
    rebind(ScmHistoryGraphWidget).to(KeyboardHistoryGraph);
}
