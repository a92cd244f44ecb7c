import { Command, MenuContribution, MenuModelRegistry, MenuPath } from '@theia/core';
import { FrontendApplicationContribution, Widget, WidgetManager } from '@theia/core/lib/browser';
import { TabBarToolbarContribution, TabBarToolbarRegistry } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EDITOR_CONTEXT_MENU } from '@theia/editor/lib/browser';
import { NAVIGATOR_CONTEXT_MENU } from '@theia/navigator/lib/browser/navigator-contribution';
import { SCM_WIDGET_FACTORY_ID } from '@theia/scm/lib/browser/scm-contribution';
import { SCM_HISTORY_ITEM_CONTEXT_MENU, ScmHistoryGraphWidget } from '@theia/scm/lib/browser/scm-history-graph-widget';
import { ScmTreeWidget } from '@theia/scm/lib/browser/scm-tree-widget';
import { ScmWidget } from '@theia/scm/lib/browser/scm-widget';
import { GitCommands as Git } from './git-commands';
import type { GitGroupId } from './git-scm-provider';
import { GIT_SCHEME } from './git-uri';

const OF_GIT = `scmProvider == ${GIT_SCHEME}`;

/** What a file, folder or group offers, by the group it is in: beside it, and in its menu. */
const GROUP_ACTIONS: Readonly<Record<GitGroupId, { readonly inline: readonly Command[], readonly menu: readonly Command[] }>> = {
    merge: { inline: [Git.OPEN_FILE, Git.OPEN_MERGE_EDITOR, Git.MARK_SOLVED], menu: [Git.TAKE_OURS, Git.TAKE_THEIRS] },
    index: { inline: [Git.OPEN_FILE, Git.UNSTAGE], menu: [Git.OPEN_CHANGES, Git.OPEN_HEAD] },
    workingTree: { inline: [Git.OPEN_FILE, Git.DISCARD, Git.STAGE], menu: [Git.OPEN_CHANGES, Git.OPEN_HEAD] },
    untracked: { inline: [Git.OPEN_FILE, Git.DISCARD, Git.STAGE], menu: [] }
};

/** What the view's menu has, in its parts. */
const VIEW_MENU: readonly (readonly Command[])[] = [
    [Git.COMMIT_ALL, Git.COMMIT_AMEND, Git.COMMIT_SIGNED_OFF, Git.COMMIT_AND_PUSH, Git.UNDO_COMMIT],
    [Git.STAGE_ALL, Git.UNSTAGE_ALL, Git.DISCARD_ALL],
    [Git.SWITCH, Git.CREATE_BRANCH, Git.MERGE, Git.REBASE],
    [Git.SYNC, Git.PULL, Git.PULL_REBASE, Git.PUSH, Git.FETCH, Git.PUBLISH],
    [Git.STASH, Git.STASH_UNTRACKED, Git.STASH_APPLY, Git.STASH_POP, Git.STASH_DROP],
    [Git.CONTINUE, Git.SKIP, Git.ABORT]
];

const COMMIT_MENU: readonly (readonly Command[])[] = [
    [Git.SHOW_COMMIT, Git.COMMIT_OPEN_FILE, Git.COMMIT_COMPARE],
    [Git.COMMIT_SWITCH, Git.COMMIT_BRANCH, Git.COMMIT_TAG, Git.COMMIT_CHERRY_PICK, Git.COMMIT_REVERT],
    [Git.COMMIT_COPY_ID, Git.COMMIT_COPY_MESSAGE]
];

const NO_REPOSITORY = 'No folder of this workspace is a git repository.\n[Make a Repository](command:coditect.git.init)\n[Clone Into the Workspace](command:coditect.git.clone)';

/** Puts the commands where they are looked for. */
@injectable()
export class GitMenus implements MenuContribution, TabBarToolbarContribution, FrontendApplicationContribution {

    @inject(WidgetManager) protected readonly widgets: WidgetManager;

    /** Says in the empty view what can be done. */
    initialize(): void {
        this.widgets.onDidCreateWidget(({ factoryId, widget }) => {
            if (factoryId === SCM_WIDGET_FACTORY_ID && widget instanceof ScmWidget) {
                widget.resourceWidget.handleViewWelcomeContentChange([{ view: 'scm', content: NO_REPOSITORY, order: 0 }]);
            }
        });
    }

    registerMenus(menus: MenuModelRegistry): void {
        for (const [group, { inline, menu }] of Object.entries(GROUP_ACTIONS)) {
            const when = `${OF_GIT} && scmResourceGroup == ${group}`;
            register(menus, ScmTreeWidget.RESOURCE_INLINE_MENU, inline, when);
            register(menus, [...ScmTreeWidget.RESOURCE_CONTEXT_MENU, '2_more'], menu, when);
            const ofMany = inline.filter(command => command !== Git.OPEN_FILE && command !== Git.OPEN_MERGE_EDITOR);
            register(menus, ScmTreeWidget.RESOURCE_FOLDER_INLINE_MENU, ofMany, when);
            register(menus, ScmTreeWidget.RESOURCE_GROUP_INLINE_MENU, ofMany, when);
        }
        COMMIT_MENU.forEach((commands, index) => register(menus, [...SCM_HISTORY_ITEM_CONTEXT_MENU, `${index}_git`], commands, OF_GIT));
        register(menus, [...NAVIGATOR_CONTEXT_MENU, '3_compare'], [Git.FILE_HISTORY]);
        register(menus, [...EDITOR_CONTEXT_MENU, '3_git'], [Git.FILE_HISTORY, Git.BLAME_TOGGLE, Git.BLAME_COMMIT]);
    }

    registerToolbarItems(toolbar: TabBarToolbarRegistry): void {
        const add = (command: Command, place: 'view' | 'graph', group: string, priority: number): void => {
            const isVisible = (widget?: Widget): boolean => widget instanceof (place === 'view' ? ScmWidget : ScmHistoryGraphWidget);
            toolbar.registerItem({ id: `${command.id}.${place}`, command: command.id, tooltip: command.label, isVisible, group, priority });
        };
        add(Git.COMMIT, 'view', 'navigation', 0);
        add(Git.REFRESH, 'view', 'navigation', 1);
        VIEW_MENU.forEach((commands, part) => commands.forEach((command, index) => add(command, 'view', `${part}_git`, index)));
        [Git.SEARCH_HISTORY, Git.ALL_HISTORY, Git.CLEAR_HISTORY, Git.REFRESH].forEach((command, index) => add(command, 'graph', 'navigation', index));
    }
}

function register(menus: MenuModelRegistry, path: MenuPath, commands: readonly Command[], when?: string): void {
    commands.forEach(({ id, label, iconClass }, index) => menus.registerMenuAction(path, { commandId: id, label, icon: iconClass, order: String(index), when }));
}
