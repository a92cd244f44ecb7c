import { Command, CommandContribution, CommandRegistry, MEMORY_TEXT_READONLY, MessageService, URI } from '@theia/core';
import { ApplicationShell, codicon, open, OpenerService, Widget } from '@theia/core/lib/browser';
import { TabBarToolbarContribution, TabBarToolbarRegistry } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { inject, injectable } from '@theia/core/shared/inversify';
import { SearchInWorkspaceWidget } from '@theia/search-in-workspace/lib/browser/search-in-workspace-widget';
import type { SearchInWorkspaceOptions } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { toSearchQuery } from './search-query';

/** Lines shown before and after each match. */
const CONTEXT_LINES = 2;
const OPEN_IN_EDITOR: Command = {
    id: 'coditect.search.open-in-editor', category: 'Search', label: 'Open Results with Context in Editor', iconClass: codicon('go-to-file')
};

/** The state of the search view that the command needs. */
interface SearchState {
    readonly searchTerm: string;
    readonly searchInWorkspaceOptions: SearchInWorkspaceOptions;
}

/** Opens all results, with the lines around them, as one read-only text. */
@injectable()
export class SearchResultsInEditor implements CommandContribution, TabBarToolbarContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ApplicationShell) protected readonly shell: ApplicationShell;
    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(MessageService) protected readonly messages: MessageService;

    registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(OPEN_IN_EDITOR, {
            isEnabled: (widget?: Widget) => !!this.view(widget)?.hasSearchTerm(),
            isVisible: (widget?: Widget) => widget === undefined || this.view(widget) === widget,
            execute: (widget?: Widget) => this.openResults(widget)
        });
    }

    registerToolbarItems(toolbar: TabBarToolbarRegistry): void {
        toolbar.registerItem({ id: OPEN_IN_EDITOR.id, command: OPEN_IN_EDITOR.id, tooltip: OPEN_IN_EDITOR.label, priority: 2 });
    }

    protected view(widget?: Widget): SearchInWorkspaceWidget | undefined {
        if (widget instanceof SearchInWorkspaceWidget) {
            return widget;
        }
        return this.shell.widgets.find((candidate): candidate is SearchInWorkspaceWidget => candidate instanceof SearchInWorkspaceWidget);
    }

    protected async openResults(widget?: Widget): Promise<void> {
        const view = this.view(widget);
        if (!view) {
            return;
        }
        const { searchTerm, searchInWorkspaceOptions } = view.storeState() as SearchState;
        const abort = new AbortController();
        const progress = await this.messages.showProgress({ text: `Searching ${searchTerm}`, options: { cancelable: true } }, () => abort.abort());
        try {
            const query = toSearchQuery(searchTerm, [this.host.rootUri.toString()], searchInWorkspaceOptions, CONTEXT_LINES);
            const text = await this.host.shell.searchDocument(query, abort.signal);
            const name = `/Search results for ${searchTerm.replace(/[/\s]+/g, ' ').slice(0, 40)}.txt`;
            await open(this.openers, new URI().withScheme(MEMORY_TEXT_READONLY).withPath(name).withQuery(text));
        } catch (error) {
            if (!abort.signal.aborted) {
                this.messages.error(ShellProblem.describe(error));
            }
        } finally {
            progress.cancel();
        }
    }
}
