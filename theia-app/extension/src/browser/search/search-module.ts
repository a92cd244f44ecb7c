import '../../../resources/search.css';
import { CommandContribution } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { TabBarToolbarContribution } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { interfaces } from '@theia/core/shared/inversify';
import { QuickFileSelectService } from '@theia/file-search/lib/browser/quick-file-select-service';
import { SearchInWorkspaceResultTreeWidget } from '@theia/search-in-workspace/lib/browser/search-in-workspace-result-tree-widget';
import { SearchInWorkspaceWidget } from '@theia/search-in-workspace/lib/browser/search-in-workspace-widget';
import { SearchResultsInEditor } from './search-results-in-editor';
import { ServerQuickFileSelect } from './server-quick-file-select';
import { createServerResultTree } from './server-result-tree';
import { ServerSearchWidget } from './server-search-widget';
import { WatchNotice } from './watch-notice';

/** The views of search by name and by text. */
export function bindSearch(bind: interfaces.Bind, rebind: interfaces.Rebind): void {
    rebind(QuickFileSelectService).to(ServerQuickFileSelect).inSingletonScope();
    rebind(SearchInWorkspaceResultTreeWidget).toDynamicValue(createServerResultTree);
    rebind(SearchInWorkspaceWidget).to(ServerSearchWidget);
    bind(SearchResultsInEditor).toSelf().inSingletonScope();
    bind(CommandContribution).toService(SearchResultsInEditor);
    bind(TabBarToolbarContribution).toService(SearchResultsInEditor);
    bind(WatchNotice).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(WatchNotice);
}
