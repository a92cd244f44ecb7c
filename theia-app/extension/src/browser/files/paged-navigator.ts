import { Disposable } from '@theia/core';
import { Container, injectable, inject, interfaces } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { CompositeTreeNode, open, SelectableTreeNode, TreeNode } from '@theia/core/lib/browser';
import { FileStat } from '@theia/filesystem/lib/common/files';
import { FileNode, FileStatNode } from '@theia/filesystem/lib/browser';
import { createFileNavigatorContainer } from '@theia/navigator/lib/browser/navigator-container';
import { FileNavigatorModel } from '@theia/navigator/lib/browser/navigator-model';
import { FileNavigatorTree } from '@theia/navigator/lib/browser/navigator-tree';
import { FileNavigatorWidget } from '@theia/navigator/lib/browser/navigator-widget';
import { keepFocus } from './kept-focus';
import { ShellFileSystemProvider } from './shell-file-system-provider';

/** Entries of a folder that are shown before the person asks for more of them. */
const ENTRIES_AT_ONCE = 2000;

/** Stands at the end of a folder that has more entries than are shown. */
interface MoreNode extends SelectableTreeNode {
    readonly more: true;
}

namespace MoreNode {
    export function is(node: TreeNode | undefined): node is MoreNode {
        return !!node && 'more' in node;
    }

    export function create(parent: CompositeTreeNode, shown: number): MoreNode {
        return {
            id: `${parent.id}//more`, name: `Show more (${shown.toLocaleString()} are shown)`, icon: 'codicon codicon-ellipsis', parent, selected: false, more: true
        } as MoreNode;
    }
}

/** The explorer's tree, which reads large folders in pages: a folder of a hundred thousand entries costs no more than what is shown of it. */
@injectable()
export class PagedNavigatorTree extends FileNavigatorTree {

    @inject(ShellFileSystemProvider) protected readonly provider: ShellFileSystemProvider;

    /** How many entries are shown of a folder, by its node's id, where that is not the usual number. */
    protected readonly limits = new Map<string, number>();
    /** Folders that have more, with the number that is shown. */
    protected readonly cut = new Map<string, number>();

    override async resolveChildren(parent: CompositeTreeNode): Promise<TreeNode[]> {
        const nodes = await super.resolveChildren(parent);
        const shown = this.cut.get(parent.id);
        return shown === undefined ? nodes : [...nodes, MoreNode.create(parent, shown)];
    }

    protected override async resolveFileStat(node: FileStatNode): Promise<FileStat | undefined> {
        if (!node.fileStat.isDirectory || node.uri.scheme !== 'file') {
            return super.resolveFileStat(node);
        }
        try {
            const { entries, more } = await this.provider.readEntries(node.uri, this.limits.get(node.id) ?? ENTRIES_AT_ONCE);
            if (more) {
                this.cut.set(node.id, entries.length);
            } else {
                this.cut.delete(node.id);
            }
            const children = entries.map(([name, type]) => FileStat.fromStat(node.uri.resolve(name), { type }));
            const fileStat: FileStat = { ...node.fileStat, children };
            node.fileStat = fileStat;
            return fileStat;
        } catch {
            // Whatever it is, the stock way tells it.
            return super.resolveFileStat(node);
        }
    }

    async showMore(node: MoreNode): Promise<void> {
        const parent = node.parent;
        if (parent) {
            this.limits.set(parent.id, (this.limits.get(parent.id) ?? ENTRIES_AT_ONCE) + ENTRIES_AT_ONCE);
            await this.refresh(parent);
        }
    }
}

@injectable()
export class PagedNavigatorModel extends FileNavigatorModel {

    /** While a preview is on its way. */
    protected keptFocus = Disposable.NULL;

    /** The next key after a click, such as Delete, is meant for the tree, and must not go into the file that is shown. */
    override previewNode(node: TreeNode): void {
        if (!FileNode.is(node)) {
            return;
        }
        this.keptFocus.dispose();
        const { activeElement } = document;
        const kept = activeElement instanceof HTMLElement && activeElement !== document.body ? keepFocus(activeElement) : Disposable.NULL;
        this.keptFocus = kept;
        // What goes wrong is told like everything that nobody waits for.
        open(this.openerService, node.uri, { mode: 'reveal', preview: true }).finally(() => kept.dispose());
    }

    protected override doOpenNode(node: TreeNode): void {
        this.keptFocus.dispose();
        if (MoreNode.is(node)) {
            (this.tree as PagedNavigatorTree).showMore(node).catch(error => console.error(error));
            return;
        }
        super.doOpenNode(node);
    }
}

@injectable()
export class PagedNavigatorWidget extends FileNavigatorWidget {

    /** A single click is enough, as for a button. */
    protected override tapNode(node?: TreeNode): void {
        if (MoreNode.is(node)) {
            this.model.openNode(node);
            return;
        }
        super.tapNode(node);
    }

    /** Files of the person's computer are copied here, and some sources allow nothing else. */
    protected override getDropEffect(event: React.DragEvent): 'copy' | 'move' {
        return event.dataTransfer.types.includes('Files') ? 'copy' : super.getDropEffect(event);
    }
}

/** The explorer with the classes of above in place of Theia's. */
export function createPagedNavigator({ container }: interfaces.Context): FileNavigatorWidget {
    const child = createFileNavigatorContainer(container as Container);
    child.rebind(FileNavigatorTree).to(PagedNavigatorTree).inSingletonScope();
    child.rebind(FileNavigatorModel).to(PagedNavigatorModel).inSingletonScope();
    child.rebind(FileNavigatorWidget).to(PagedNavigatorWidget).inSingletonScope();
    return child.get(FileNavigatorWidget);
}
