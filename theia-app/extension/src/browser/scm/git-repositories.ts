import { Emitter, MessageService, URI } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser';
import { ScmRepository } from '@theia/scm/lib/browser/scm-repository';
import { ScmService } from '@theia/scm/lib/browser/scm-service';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import type { ShellChange } from '../shell/shell-types';
import { CoalescingTask } from './coalescing-task';
import { marksRepository, nearestRoot } from './git-changes';
import { GitClient } from './git-client';
import { fileOf } from './git-files';
import { GitChangeEvent, GitRepository } from './git-repository';
import { GitScmProvider, GitScmProviderFactory } from './git-scm-provider';

/** How long a repository that came or went is waited for, in milliseconds: a clone writes for a while. */
const DISCOVER_QUIET_MS = 1000;
const DISCOVER_LONGEST_MS = 5000;

/** The repositories of the workspace, kept as they come and go, and shown in Theia's view. */
@injectable()
export class GitRepositories implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(GitClient) protected readonly client: GitClient;
    @inject(ScmService) protected readonly scm: ScmService;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(GitScmProviderFactory) protected readonly createProvider: GitScmProviderFactory;

    protected readonly known = new Map<string, { readonly repository: GitRepository, readonly provider: GitScmProvider, readonly shown: ScmRepository }>();
    protected readonly changeEmitter = new Emitter<{ readonly repository: GitRepository, readonly event: GitChangeEvent }>();
    /** The state of a repository was looked at. */
    readonly onDidChange = this.changeEmitter.event;
    protected readonly goneEmitter = new Emitter<void>();
    /** A repository is there no more. */
    readonly onDidRemove = this.goneEmitter.event;
    protected readonly discovering = new CoalescingTask(() => this.discover(), DISCOVER_QUIET_MS, DISCOVER_LONGEST_MS);
    protected readonly failed = new Set<string>();

    /** The start does not wait for it. */
    onDidInitializeLayout(): void {
        this.host.shell.onChanges((change: ShellChange) => this.noteChange(change));
        this.discovering.now().catch(error => this.tell(error));
        this.editors.onCurrentEditorChanged(widget => {
            const repository = widget && this.find(fileOf(widget.editor));
            if (repository) {
                this.select(repository);
            }
        });
    }

    get all(): GitRepository[] {
        return [...this.known.values()].map(({ repository }) => repository);
    }

    /** The one that the person looks at. */
    get selected(): GitRepository | undefined {
        const root = this.scm.selectedRepository?.provider.rootUri;
        return root === undefined ? undefined : this.known.get(new URI(root).path.toString())?.repository;
    }

    /** The one that a file is in; it may be given in another version. */
    find(uri: URI): GitRepository | undefined {
        return nearestRoot(this.all, uri.path.toString());
    }

    /** Its face in Theia's view. */
    shown(repository: GitRepository): ScmRepository | undefined {
        return this.known.get(repository.path)?.shown;
    }

    provider(repository: GitRepository): GitScmProvider | undefined {
        return this.known.get(repository.path)?.provider;
    }

    /** The one that Theia names by the number of its provider. */
    ofHandle(handle: unknown): GitRepository | undefined {
        return handle === undefined ? undefined : [...this.known.values()].find(({ provider }) => provider.handle === handle)?.repository;
    }

    select(repository: GitRepository): void {
        const shown = this.shown(repository);
        if (shown) {
            this.scm.selectedRepository = shown;
        }
    }

    /** Looks for repositories again. */
    rediscover(): Promise<void> {
        return this.discovering.now();
    }

    protected noteChange(change: ShellChange): void {
        if (change.type === 'rescan') {
            this.discovering.soon();
            this.all.forEach(repository => repository.noteGap());
        }
        if (change.type !== 'changes') {
            return;
        }
        const repositories = this.all;
        for (const { path } of change.changes) {
            if (marksRepository(path)) {
                this.discovering.soon();
            }
            const repository = nearestRoot(repositories, path);
            repository?.noteChange(path.slice(repository.path.length + 1));
        }
    }

    protected async discover(): Promise<void> {
        const root = this.host.rootUri;
        const folders = await this.client.ask(root.path.toString(), 'repositories', 'repositories');
        const found = new Map(folders.map(folder => folder === '' ? root : root.resolve(folder)).map(uri => [uri.path.toString(), uri]));
        for (const [path, { shown }] of this.known) {
            if (!found.has(path)) {
                this.known.delete(path);
                shown.dispose();
                this.goneEmitter.fire();
            }
        }
        for (const [path, uri] of found) {
            if (!this.known.has(path)) {
                this.add(uri);
            }
        }
    }

    protected add(uri: URI): void {
        const repository = new GitRepository(uri, this.host, this.client);
        const provider = this.createProvider(repository);
        const shown = this.scm.registerScmProvider(provider, { input: { placeholder: provider.inputPlaceholder, validator: provider.validateMessage } });
        this.known.set(repository.path, { repository, provider, shown });
        repository.onDidChange(event => {
            this.failed.delete(repository.path);
            shown.input.placeholder = provider.inputPlaceholder;
            this.changeEmitter.fire({ repository, event });
        });
        let last = '';
        provider.onDidPrepareMessage(message => {
            // What the person wrote stays.
            if (shown.input.value === '' || shown.input.value === last) {
                shown.input.value = message;
            }
            last = message;
        });
        repository.onDidFail(error => this.tellOnce(repository, error));
        repository.refresh().catch(() => undefined);
    }

    protected tellOnce(repository: GitRepository, error: unknown): void {
        if (ShellProblem.is(error) && error.code === 'git.not_a_repository') {
            // It is gone, which is no fault.
            this.discovering.soon();
        } else if (!this.failed.has(repository.path)) {
            this.failed.add(repository.path);
            this.tell(error);
        }
    }

    protected tell(error: unknown): void {
        if (!ShellProblem.hasKind(error, 'cancelled')) {
            this.messages.error(`Git: ${ShellProblem.describe(error)}`);
        }
    }
}

