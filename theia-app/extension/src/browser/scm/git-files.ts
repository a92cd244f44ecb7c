import { URI } from '@theia/core';
import { open, OpenerService } from '@theia/core/lib/browser';
import { DiffUris } from '@theia/core/lib/browser/diff-uris';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser';
import { MergeEditorOpenerOptions, MergeEditorUri } from '@theia/scm/lib/browser/merge-editor/merge-editor';
import type { GitRepository } from './git-repository';
import type { GitScmResource } from './git-scm-provider';
import { fromGitUri, GitRef, toGitUri } from './git-uri';

/** The file that an editor is about, also where it shows another version of it, or a comparison. */
export function fileOf({ uri }: { readonly uri: URI }): URI {
    const shown = DiffUris.isDiffUri(uri) ? DiffUris.decode(uri)[1] : uri;
    return fromGitUri(shown)?.file ?? shown;
}

/** Opens files and the differences of their versions. */
@injectable()
export class GitFiles {

    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(EditorManager) protected readonly editors: EditorManager;

    /** Shows a changed file as it fits its group. */
    readonly openChanges = async (resource: GitScmResource): Promise<void> => {
        const { sourceUri: uri, resource: { change, from, conflict, submodule }, group, repository } = resource;
        if (submodule) {
            return;
        }
        const source = from === undefined ? uri : repository.fileUri(from);
        const name = uri.path.base;
        switch (group.id) {
            case 'index': {
                const before = change === 'added' ? ':empty' : 'HEAD';
                await this.diff(toGitUri(source, before), toGitUri(uri, change === 'deleted' ? ':empty' : ''), `${name} (Staged)`);
                break;
            }
            case 'workingTree':
                await this.diff(toGitUri(source, ''), change === 'deleted' ? toGitUri(uri, ':empty') : uri, `${name} (Working Tree)`);
                break;
            case 'merge':
                if (conflict === 'both_modified' || conflict === 'both_added') {
                    await this.openMergeEditor(uri, conflict === 'both_added', repository);
                    break;
                }
                await this.openPresent(uri, conflict === 'deleted_by_us' || conflict === 'added_by_them' ? ':theirs' : ':ours');
                break;
            case 'untracked':
                await this.openFile(uri);
        }
    };

    /** Both sides of a conflict, what they had in common, and what shall become of them. */
    async openMergeEditor(uri: URI, withoutBase: boolean, repository: GitRepository): Promise<void> {
        const state = repository.state;
        // In a rebase git's “ours” is what the own commits are put onto.
        const rebasing = state?.operation?.type === 'rebase';
        const branch = state?.head.branch ?? 'HEAD';
        const options: MergeEditorOpenerOptions = {
            widgetState: {
                side1State: { title: rebasing ? 'Current (Rebased Onto)' : 'Current', description: branch, detail: '' },
                side2State: { title: rebasing ? 'Incoming (Own Commit)' : 'Incoming', description: state?.incoming ?? '', detail: '' }
            }
        };
        await open(this.openers, MergeEditorUri.encode({
            baseUri: toGitUri(uri, withoutBase ? ':empty' : ':base'),
            side1Uri: toGitUri(uri, ':ours'),
            side2Uri: toGitUri(uri, ':theirs'),
            resultUri: uri
        }), options);
    }

    async diff(before: URI, after: URI, label: string): Promise<void> {
        await open(this.openers, DiffUris.encode(before, after, label));
    }

    async openFile(uri: URI): Promise<void> {
        await this.editors.open(uri);
    }

    async openAt(uri: URI, ref: GitRef): Promise<void> {
        await this.editors.open(toGitUri(uri, ref));
    }

    /** The file where it is there, else the side of a conflict that has it. */
    protected async openPresent(uri: URI, side: GitRef): Promise<void> {
        try {
            await this.openFile(uri);
        } catch {
            await this.openAt(uri, side);
        }
    }
}
