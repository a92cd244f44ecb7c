import { Message } from '@theia/core/shared/@lumino/messaging';
import { injectable, postConstruct } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { HistoryGraphEntry } from '@theia/scm/lib/browser/scm-history-graph-model';
import { ScmHistoryGraphWidget } from '@theia/scm/lib/browser/scm-history-graph-widget';
import { relativeTime } from './blame-lines';

/** The graph of the history with keys for everything that the mouse does there, and words for screen readers. */
@injectable()
export class KeyboardHistoryGraph extends ScmHistoryGraphWidget {

    @postConstruct()
    protected override init(): void {
        super.init();
        this.node.setAttribute('role', 'tree');
        this.node.setAttribute('aria-label', 'History');
        this.addEventListener(this.node, 'keydown', event => this.handleKey(event));
    }

    protected override onActivateRequest(message: Message): void {
        super.onActivateRequest(message);
        this.node.focus();
    }

    protected override renderRow(entry: HistoryGraphEntry, index: number, svgWidth: number): React.ReactElement {
        const { item } = entry;
        const refs = item.references?.map(({ name }) => name) ?? [];
        const label = [item.subject, item.author, item.timestamp && relativeTime(item.timestamp), ...refs].filter(Boolean).join(', ');
        return <div
            id={rowId(index)}
            role='treeitem'
            aria-label={label}
            aria-selected={index === this.selectedIndex}
            aria-expanded={this.expandedIds.has(item.id)}
        >
            {super.renderRow(entry, index, svgWidth)}
        </div>;
    }

    protected handleKey(event: KeyboardEvent): void {
        const { entries } = this.model;
        const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -entries.length, End: entries.length };
        const step = steps[event.key];
        const selected = entries[this.selectedIndex];
        if (step !== undefined) {
            this.moveTo(Math.min(entries.length - 1, Math.max(0, this.selectedIndex + step)));
        } else if (selected && (event.key === 'Enter' || event.key === ' ')) {
            this.handleRowClick(this.selectedIndex, selected);
        } else if (selected && event.key === 'ArrowRight' !== this.expandedIds.has(selected.item.id) && (event.key === 'ArrowRight' || event.key === 'ArrowLeft')) {
            this.handleRowClick(this.selectedIndex, selected);
        } else if (selected && (event.key === 'ContextMenu' || event.key === 'F10' && event.shiftKey)) {
            this.openMenu(selected);
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    }

    protected moveTo(index: number): void {
        this.selectedIndex = index;
        this.node.setAttribute('aria-activedescendant', rowId(index));
        this.update();
        document.getElementById(rowId(index))?.scrollIntoView({ block: 'nearest' });
    }

    /** The menu opens where a mouse would have called it. */
    protected openMenu(entry: HistoryGraphEntry): void {
        const place = (document.getElementById(rowId(this.selectedIndex)) ?? this.node).getBoundingClientRect();
        const nativeEvent = new MouseEvent('contextmenu', { clientX: place.left, clientY: place.bottom });
        const nothing = (): void => undefined;
        this.handleRowContextMenu({ nativeEvent, preventDefault: nothing, stopPropagation: nothing } as unknown as React.MouseEvent, entry);
    }
}

function rowId(index: number): string {
    return `coditect-history-${index}`;
}
