import { Key, KeyCode, codicon } from '@theia/core/lib/browser';
import { nls } from '@theia/core/lib/common/nls';
import { injectable } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { SearchFieldState, SearchInWorkspaceWidget } from '@theia/search-in-workspace/lib/browser/search-in-workspace-widget';
import { ServerResultTree } from './server-result-tree';

/** Lines shown before and after each match, where they are asked for. */
const CONTEXT_LINES = 2;

/** What the view remembers beyond stock. */
interface OwnState {
    readonly preserveCase?: boolean;
    readonly showContext?: boolean;
}

/** The search view with two switches more, preserve case and context lines, and with the reason of a search that failed. */
@injectable()
export class ServerSearchWidget extends SearchInWorkspaceWidget {

    protected readonly preserveCaseState: SearchFieldState = {
        className: codicon('preserve-case'), enabled: false, title: nls.localizeByDefault('Preserve Case')
    };
    protected readonly contextState: SearchFieldState = {
        className: codicon('list-selection'), enabled: false, title: nls.localizeByDefault('Toggle Context Lines')
    };

    protected get results(): ServerResultTree {
        return this.resultTreeWidget as ServerResultTree;
    }

    /** At once, and what is in the field now: stock searches what was there before where Enter comes while it waits for more to be typed. */
    protected override readonly onKeyDownSearch = (event: React.KeyboardEvent): void => {
        if (KeyCode.createKeyCode(event.nativeEvent).key?.keyCode === Key.ENTER.keyCode) {
            this.searchTerm = (event.target as HTMLTextAreaElement).value;
            this.performSearch();
        }
    };

    /** Opened with nothing selected in an editor, it keeps what it has; stock empties the field, also of what was typed while the view opened. */
    override updateSearchTerm(term: string, showReplaceField?: boolean): void {
        if (term !== '') {
            super.updateSearchTerm(term, showReplaceField);
            return;
        }
        if (showReplaceField) {
            this.showReplaceField = true;
        }
        this.refresh();
    }

    override storeState(): object {
        return { ...super.storeState(), preserveCase: this.preserveCaseState.enabled, showContext: this.contextState.enabled };
    }

    override restoreState(oldState: OwnState): void {
        this.preserveCaseState.enabled = oldState.preserveCase ?? false;
        this.contextState.enabled = oldState.showContext ?? false;
        this.updateOwnOptions();
        super.restoreState(oldState);
    }

    override clear(): void {
        this.preserveCaseState.enabled = false;
        this.contextState.enabled = false;
        super.clear();
        // Stock switches the buttons off and goes on searching as they were.
        this.updateSearchOptions();
    }

    protected override updateSearchOptions(): void {
        super.updateSearchOptions();
        this.updateOwnOptions();
    }

    protected updateOwnOptions(): void {
        this.results.preserveCase = this.preserveCaseState.enabled;
        this.results.contextLines = this.contextState.enabled ? CONTEXT_LINES : 0;
    }

    protected override renderOptionContainer(): React.ReactNode {
        return <>{super.renderOptionContainer()}<div className='option-buttons'>{this.renderOptionElement(this.contextState)}</div></>;
    }

    protected override renderReplaceField(): React.ReactNode {
        const field = super.renderReplaceField() as React.ReactElement<{ children: React.ReactNode }>;
        const option = <div key='preserve-case' className='search-field'><div className='option-buttons'>{this.renderOptionElement(this.preserveCaseState)}</div></div>;
        const [input, ...buttons] = React.Children.toArray(field.props.children);
        return React.cloneElement(field, undefined, [input, option, ...buttons]);
    }

    protected override getSearchResultMessage(): string | undefined {
        return this.results.problem ?? super.getSearchResultMessage();
    }
}
