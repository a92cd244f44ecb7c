import { Disposable, DisposableCollection, Emitter, Event, URI } from '@theia/core';
import { ScmInputIssue, ScmInputIssueType } from '@theia/scm/lib/browser/scm-input';
import { ScmActionButton, ScmCommand, ScmProvider, ScmResource, ScmResourceDecorations, ScmResourceGroup } from '@theia/scm/lib/browser/scm-provider';
import { GitCommands } from './git-commands';
import { GitHistory } from './git-history';
import { GitRepository } from './git-repository';
import type { GitResource, GitState } from './git-types';
import { GIT_SCHEME } from './git-uri';

/** Longest first line of a message that the tools around git show whole, in characters. */
const SUMMARY_LENGTH = 72;

/** Makes the face of a repository in Theia's view. */
export const GitScmProviderFactory = Symbol('GitScmProviderFactory');
export type GitScmProviderFactory = (repository: GitRepository) => GitScmProvider;

/** Shows a changed file: what it was and what it is. */
export type OpenResource = (resource: GitScmResource) => Promise<void>;

/** The groups, by the name that a state has them under. */
const GROUPS = [
    { key: 'merge', id: 'merge', label: 'Merge Changes', hideWhenEmpty: true },
    { key: 'index', id: 'index', label: 'Staged Changes', hideWhenEmpty: true },
    { key: 'work_tree', id: 'workingTree', label: 'Changes', hideWhenEmpty: false },
    { key: 'untracked', id: 'untracked', label: 'Untracked', hideWhenEmpty: true }
] as const;

export type GitGroupId = typeof GROUPS[number]['id'];

/** A changed file in a group. */
export class GitScmResource implements ScmResource {

    constructor(
        readonly group: GitScmGroup,
        readonly sourceUri: URI,
        readonly resource: GitResource,
        protected readonly show: OpenResource
    ) { }

    get repository(): GitRepository {
        return this.group.provider.repository;
    }

    get decorations(): ScmResourceDecorations {
        const { letter, label, change } = this.resource;
        return { letter, tooltip: label, strikeThrough: change === 'deleted' };
    }

    open(): Promise<void> {
        return this.show(this);
    }
}

export class GitScmGroup implements ScmResourceGroup {

    resources: GitScmResource[] = [];

    constructor(
        readonly provider: GitScmProvider,
        readonly id: GitGroupId,
        readonly label: string,
        readonly hideWhenEmpty: boolean
    ) { }

    dispose(): void {
        this.resources = [];
    }
}

/** A repository as Theia's view shows it. */
export class GitScmProvider implements ScmProvider {

    protected static lastHandle = 0;

    readonly id = GIT_SCHEME;
    readonly label = 'Git';
    /** Theia hands it to the commands of the history's menus; without one it hands them nothing. */
    readonly handle = ++GitScmProvider.lastHandle;
    readonly rootUri: string;
    readonly acceptInputCommand: ScmCommand;
    readonly groups: GitScmGroup[];

    protected readonly toDispose = new DisposableCollection();
    protected readonly changeEmitter = new Emitter<void>();
    readonly onDidChange = this.changeEmitter.event;
    protected readonly statusBarEmitter = new Emitter<ScmCommand[] | undefined>();
    readonly onDidChangeStatusBarCommands = this.statusBarEmitter.event;
    protected readonly actionButtonEmitter = new Emitter<ScmActionButton | undefined>();
    readonly onDidChangeActionButton = this.actionButtonEmitter.event;
    protected lastPrepared = '';
    /** Theia would put it over what the person wrote. */
    readonly onDidChangeCommitTemplate: Event<string> = Event.None;
    protected readonly preparedEmitter = new Emitter<string>();
    /** The message that git prepared for a merge under way; empty without one. */
    readonly onDidPrepareMessage = this.preparedEmitter.event;

    constructor(
        readonly repository: GitRepository,
        readonly historyProvider: GitHistory,
        protected readonly openResource: OpenResource
    ) {
        this.rootUri = repository.uri.toString();
        this.acceptInputCommand = { command: GitCommands.COMMIT.id, title: 'Commit', arguments: [this] };
        this.groups = GROUPS.map(({ id, label, hideWhenEmpty }) => new GitScmGroup(this, id, label, hideWhenEmpty));
        this.toDispose.pushAll([
            repository, historyProvider, this.changeEmitter, this.statusBarEmitter, this.actionButtonEmitter, this.preparedEmitter,
            repository.onDidChange(() => this.update()),
            Disposable.create(() => this.groups.forEach(group => group.dispose()))
        ]);
    }

    dispose(): void {
        this.toDispose.dispose();
    }

    group(id: GitGroupId): GitScmGroup {
        return this.groups.find(group => group.id === id)!;
    }

    /** What stands in the empty box for the message; `{0}` becomes the key that commits. */
    get inputPlaceholder(): string {
        const branch = this.repository.state?.head.branch;
        return branch ? `Message ({0} to commit on “${branch}”)` : 'Message ({0} to commit)';
    }

    readonly validateMessage = async (message: string): Promise<ScmInputIssue | undefined> => {
        const length = message.split('\n', 1)[0].length;
        return length > SUMMARY_LENGTH
            ? { type: ScmInputIssueType.Information, message: `The first line is ${length - SUMMARY_LENGTH} characters longer than most tools show.` }
            : undefined;
    };

    get statusBarCommands(): ScmCommand[] {
        const state = this.repository.state;
        if (!state) {
            return [];
        }
        const commands: ScmCommand[] = [{
            title: `$(codicon-git-branch) ${state.title}${state.operation_name ? ` ${state.operation_name}` : ''}`,
            tooltip: 'Switch to another branch or tag',
            command: GitCommands.SWITCH.id,
            arguments: [this]
        }];
        if (state.head.upstream) {
            commands.push({
                title: `$(codicon-sync)${state.distance ? ` ${state.distance}` : ''}`,
                tooltip: `Synchronize with ${state.head.upstream}: ${state.head.behind} to pull, ${state.head.ahead} to push`,
                command: GitCommands.SYNC.id,
                arguments: [this]
            });
        } else if (state.head.branch && state.head.commit) {
            commands.push({ title: '$(codicon-cloud-upload)', tooltip: 'Publish this branch', command: GitCommands.PUBLISH.id, arguments: [this] });
        }
        return commands;
    }

    get actionButton(): ScmActionButton | undefined {
        const state = this.repository.state;
        if (!state) {
            return undefined;
        }
        if (state.operation && !isPlainMerge(state)) {
            return this.operationButton(state);
        }
        const changes = state.index.length + state.work_tree.length + state.untracked.length + state.merge.length;
        if (changes === 0 && !state.operation && state.distance) {
            return { command: this.toScmCommand(GitCommands.SYNC.id, `$(sync) Synchronize ${state.distance}`), enabled: true };
        }
        const { COMMIT, COMMIT_ALL, COMMIT_AMEND, COMMIT_SIGNED_OFF, COMMIT_AND_PUSH, UNDO_COMMIT, ABORT } = GitCommands;
        const more = [[COMMIT_AND_PUSH, COMMIT_AMEND, COMMIT_SIGNED_OFF, COMMIT_ALL], [state.operation ? ABORT : UNDO_COMMIT]];
        return {
            command: this.toScmCommand(COMMIT.id, '$(check) Commit'),
            secondaryCommands: more.map(commands => commands.map(({ id, label }) => this.toScmCommand(id, label!))),
            enabled: state.merge.length === 0
        };
    }

    /** What stopped at a conflict goes on, or back. */
    protected operationButton(state: GitState): ScmActionButton {
        const { CONTINUE, SKIP, ABORT } = GitCommands;
        const more = state.operation?.type === 'rebase' ? [SKIP, ABORT] : [ABORT];
        return {
            // What goes on stands in the status bar: there is no room for it in a narrow view.
            command: { ...this.toScmCommand(CONTINUE.id, '$(debug-continue) Continue'), tooltip: state.operation_name },
            secondaryCommands: [more.map(({ id, label }) => this.toScmCommand(id, label!))],
            enabled: state.merge.length === 0
        };
    }

    protected toScmCommand(command: string, title: string): ScmCommand {
        return { command, title, arguments: [this] };
    }

    protected update(): void {
        const state = this.repository.state!;
        for (const [index, { key }] of GROUPS.entries()) {
            const group = this.groups[index];
            group.resources = state[key].map(resource => new GitScmResource(group, this.repository.fileUri(resource.path), resource, this.openResource));
        }
        this.changeEmitter.fire();
        this.statusBarEmitter.fire(this.statusBarCommands);
        this.actionButtonEmitter.fire(this.actionButton);
        const prepared = state.operation?.type === 'merge' ? state.operation.message : '';
        if (prepared !== this.lastPrepared) {
            this.lastPrepared = prepared;
            this.preparedEmitter.fire(prepared);
        }
    }
}

/** A merge is ended by a commit like any other, with a message of the person's. */
function isPlainMerge(state: GitState): boolean {
    return state.operation?.type === 'merge';
}
