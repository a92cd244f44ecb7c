import '../../resources/coditect.css';
import { Agent, LanguageModelAliasRegistry, LanguageModelProvider, LanguageModelRegistryFrontendDelegate, TokenUsageService } from '@theia/ai-core';
import { AiConfigurationServiceImpl } from '@theia/ai-core/lib/browser/ai-configuration-service-impl';
import { TrustAwarePreferenceReader } from '@theia/ai-core/lib/browser/trust-aware-preference-reader';
import { SkillPromptCoordinator } from '@theia/ai-core/lib/browser/skill-prompt-coordinator';
import { ChatAgent, DefaultChatAgentId } from '@theia/ai-chat/lib/common';
import { ChatSessionNamingAgent } from '@theia/ai-chat/lib/common/chat-session-naming-service';
import { ToolConfirmationManager } from '@theia/ai-chat/lib/browser/chat-tool-preference-bindings';
import { AIChatContribution } from '@theia/ai-chat-ui/lib/browser/ai-chat-ui-contribution';
import { AIChatInputWidget } from '@theia/ai-chat-ui/lib/browser/chat-input-widget';
import { ChatWelcomeMessageProvider } from '@theia/ai-chat-ui/lib/browser/chat-tree-view';
import { CommandContribution, MenuContribution } from '@theia/core';
import { ApplicationShellOptions, bindViewContribution, FrontendApplicationContribution, StorageService, WidgetFactory } from '@theia/core/lib/browser';
import { AboutDialog } from '@theia/core/lib/browser/about-dialog';
import { ApplicationConnectionStatusContribution, ConnectionStatusService } from '@theia/core/lib/browser/connection-status-service';
import { JsonSchemaStore } from '@theia/core/lib/browser/json-schema-store';
import { ApplicationServer } from '@theia/core/lib/common/application-protocol';
import { EnvVariablesServer } from '@theia/core/lib/common/env-variables';
import { KeyStoreService } from '@theia/core/lib/common/key-store';
import { PreferenceContribution } from '@theia/core/lib/common/preferences';
import { ContainerModule, interfaces } from '@theia/core/shared/inversify';
import { EditorContribution } from '@theia/editor/lib/browser/editor-contribution';
import { QuickFileOpenService } from '@theia/file-search/lib/browser/quick-file-open';
import { FileSearchService } from '@theia/file-search/lib/common/file-search-service';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import { FileDownloadService } from '@theia/filesystem/lib/common/download/file-download';
import { FileUploadService } from '@theia/filesystem/lib/common/upload/file-upload';
import { FileResourceResolver } from '@theia/filesystem/lib/browser/file-resource';
import { RemoteFileServiceContribution } from '@theia/filesystem/lib/browser/remote-file-service-contribution';
import { KeymapsFrontendContribution } from '@theia/keymaps/lib/browser/keymaps-frontend-contribution';
import { LanguageGrammarDefinitionContribution } from '@theia/monaco/lib/browser/textmate';
import { ThemeServiceWithDB } from '@theia/monaco/lib/browser/monaco-indexed-db';
import { MonacoQuickInputService } from '@theia/monaco/lib/browser/monaco-quick-input-service';
import { MonacoEditorModelFactory } from '@theia/monaco/lib/browser/monaco-text-model-service';
import { MonacoThemingService } from '@theia/monaco/lib/browser/monaco-theming-service';
import { FileNavigatorWidget } from '@theia/navigator/lib/browser/navigator-widget';
import { CliPreferences } from '@theia/preferences/lib/common/cli-preferences';
import { SearchInWorkspaceServer } from '@theia/search-in-workspace/lib/common/search-in-workspace-interface';
import { WorkspaceServer } from '@theia/workspace/lib/common';
import { WorkspaceOpenHandlerContribution, WorkspaceService } from '@theia/workspace/lib/browser/workspace-service';
import { CoditectAbout } from './branding/coditect-about';
import { bindIconThemes } from './branding/coditect-icon-themes';
import { CoditectThemeService, CoditectThemingService } from './branding/coditect-themes';
import { AnyModelAliasRegistry } from './chat/any-model-alias-registry';
import { ChatWelcome } from './chat/chat-welcome';
import { CoditectAgent, CODITECT_AGENT_ID } from './chat/coditect-agent';
import { CurrentChatContribution } from './chat/current-chat-contribution';
import { createModelRegistryProvider, ModelCatalogue, ModelRegistryProvider } from './chat/model-catalogue';
import { ModelRefresh } from './chat/model-refresh';
import { PageTokenUsageService } from './chat/page-token-usage-service';
import { PersonalAiConfiguration, PersonalPreferenceReader } from './chat/personal-ai-configuration';
import { QuietSessionNaming } from './chat/quiet-session-naming';
import { WorkspaceToolConfirmation, WorkspaceTools } from './chat/workspace-tools';
import { PageKeyStore } from './environment/page-key-store';
import { QuietConnectionContribution, ShellConnectionStatus } from './environment/shell-connection-status';
import { NoCliPreferences, ShellApplicationServer, ShellEnvVariablesServer } from './environment/shell-environment';
import { ConflictSafeFileService } from './files/conflict-safe-file-service';
import { FileCommands, TrashViewContribution } from './files/file-commands';
import { createPagedNavigator } from './files/paged-navigator';
import { ServerFileDownload } from './files/server-file-download';
import { ServerFileResourceResolver } from './files/server-file-resource';
import { ServerFileUpload } from './files/server-file-upload';
import { ShellFileServiceContribution } from './files/shell-file-service-contribution';
import { ShellFileSystemProvider } from './files/shell-file-system-provider';
import { TellingEditorModelFactory } from './files/telling-editor-model';
import { TrashWidget } from './files/trash-widget';
import { UsageView } from './files/usage-view';
import { CoditectLanguages } from './languages/coditect-languages';
import { bindPeople } from './people/people-module';
import { bindPlugins } from './plugins/plugins-module';
import { CarefulEditorStatus } from './problems/careful-editor-status';
import { CarefulQuickInputService } from './problems/careful-quick-input-service';
import { UncaughtProblems } from './problems/uncaught-problems';
import { bindGit } from './scm/git-module';
import { bindSearch } from './search/search-module';
import { ShellFileSearchService } from './search/shell-file-search-service';
import { ShellSearchInWorkspaceServer } from './search/shell-search-in-workspace-server';
import { TellingQuickFileOpen } from './search/telling-quick-file-open';
import { bindTerminals } from './terminal/terminal-module';
import { DeferredChatInput } from './startup/deferred-chat-input';
import {
    bindDeferredPreferencesWidget, DeferredJsonSchemaStore, DeferredKeymapsContribution, DeferredSkillPromptCoordinator
} from './startup/deferred-contributions';
import { CoditectViewContribution } from './views/coditect-view-contribution';
import { CoditectWidget } from './views/coditect-widget';
import { ConnectionView } from './views/connection-view';
import { FirstLayout, SHELL_OPTIONS } from './views/first-layout';
import { WelcomeContribution } from './views/welcome-contribution';
import { welcomePreferences } from './views/welcome-preferences';
import { WelcomeWidget } from './views/welcome-widget';
import { PersonalStorageService } from './workspace/personal-storage-service';
import { ShellWorkspaceServer } from './workspace/shell-workspace-server';
import { ShellWorkspaceService } from './workspace/shell-workspace-service';

type Class<T> = new (...args: never[]) => T;

/** Joins each interface that Theia asks a backend for to its implementation over the shell. */
export default new ContainerModule((bind, unbind, isBound, rebind) => {

    /** `to` stands in for whatever Theia bound. */
    const replace = <T>(id: interfaces.ServiceIdentifier<T>, to: Class<T>): void => {
        bind(to).toSelf().inSingletonScope();
        (isBound(id) ? rebind<T>(id) : bind<T>(id)).toService(to);
    };

    // Files, search, workspace
    bind(ShellFileSystemProvider).toSelf().inSingletonScope();
    bind(ShellFileServiceContribution).toSelf().inSingletonScope();
    rebind(RemoteFileServiceContribution).toService(ShellFileServiceContribution);
    rebind(FileService).to(ConflictSafeFileService).inSingletonScope();
    rebind(FileResourceResolver).to(ServerFileResourceResolver).inSingletonScope();
    replace(FileDownloadService, ServerFileDownload);
    replace(FileUploadService, ServerFileUpload);
    rebind(FileNavigatorWidget).toDynamicValue(createPagedNavigator);
    bindViewContribution(bind, TrashViewContribution);
    bindWidget(bind, TrashWidget.ID, TrashWidget);
    bind(FileCommands).toSelf().inSingletonScope();
    bind(CommandContribution).toService(FileCommands);
    bind(MenuContribution).toService(FileCommands);
    bind(UsageView).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(UsageView);
    bind(TellingEditorModelFactory).toSelf().inSingletonScope();
    bind(MonacoEditorModelFactory).toService(TellingEditorModelFactory);
    replace(FileSearchService, ShellFileSearchService);
    rebind(QuickFileOpenService).to(TellingQuickFileOpen).inSingletonScope();
    replace(SearchInWorkspaceServer, ShellSearchInWorkspaceServer);
    bindSearch(bind, rebind);
    replace(WorkspaceServer, ShellWorkspaceServer);
    bind(WorkspaceOpenHandlerContribution).toService(ShellWorkspaceServer);
    rebind(WorkspaceService).to(ShellWorkspaceService).inSingletonScope();
    replace(StorageService, PersonalStorageService);

    // Terminals
    bindTerminals(bind, rebind);

    // Environment
    replace(EnvVariablesServer, ShellEnvVariablesServer);
    replace(ApplicationServer, ShellApplicationServer);
    replace(KeyStoreService, PageKeyStore);
    replace(CliPreferences, NoCliPreferences);
    replace(ConnectionStatusService, ShellConnectionStatus);
    rebind(ApplicationConnectionStatusContribution).to(QuietConnectionContribution).inSingletonScope();

    // Chat
    bind(ModelRegistryProvider).toDynamicValue(createModelRegistryProvider).inSingletonScope();
    bind(ModelCatalogue).toSelf().inSingletonScope();
    bind(LanguageModelProvider).toDynamicValue(({ container }) => () => container.get(ModelCatalogue).firstModels()).inSingletonScope();
    rebind(LanguageModelRegistryFrontendDelegate).toConstantValue({ getLanguageModelDescriptions: async () => [] });
    replace(LanguageModelAliasRegistry, AnyModelAliasRegistry);
    replace(TokenUsageService, PageTokenUsageService);
    replace(ToolConfirmationManager, WorkspaceToolConfirmation);
    bind(ModelRefresh).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(ModelRefresh);
    bind(WorkspaceTools).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(WorkspaceTools);
    bind(CommandContribution).toService(WorkspaceTools);
    bind(CoditectAgent).toSelf().inSingletonScope();
    bind(Agent).toService(CoditectAgent);
    bind(ChatAgent).toService(CoditectAgent);
    bind(DefaultChatAgentId).toConstantValue({ id: CODITECT_AGENT_ID });
    rebind(TrustAwarePreferenceReader).to(PersonalPreferenceReader).inSingletonScope();
    rebind(AiConfigurationServiceImpl).to(PersonalAiConfiguration).inSingletonScope();
    rebind(ChatSessionNamingAgent).to(QuietSessionNaming).inSingletonScope();
    rebind(AIChatContribution).to(CurrentChatContribution).inSingletonScope();
    bind(ChatWelcome).toSelf().inSingletonScope();
    bind(ChatWelcomeMessageProvider).toService(ChatWelcome);

    // Git
    bindGit(bind, rebind);

    // People
    bindPeople(bind);

    // Plugins
    bindPlugins(bind, rebind);

    // Looks
    replace(ThemeServiceWithDB, CoditectThemeService);
    replace(MonacoThemingService, CoditectThemingService);
    rebind(ApplicationShellOptions).toConstantValue(SHELL_OPTIONS);
    rebind(AboutDialog).to(CoditectAbout).inSingletonScope();
    bindIconThemes(bind);
    bind(CoditectLanguages).toSelf().inSingletonScope();
    bind(LanguageGrammarDefinitionContribution).toService(CoditectLanguages);

    // Problems
    rebind(MonacoQuickInputService).to(CarefulQuickInputService).inSingletonScope();
    rebind(EditorContribution).to(CarefulEditorStatus).inSingletonScope();
    bind(UncaughtProblems).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(UncaughtProblems);

    // Start
    rebind(JsonSchemaStore).to(DeferredJsonSchemaStore).inSingletonScope();
    rebind(SkillPromptCoordinator).to(DeferredSkillPromptCoordinator).inSingletonScope();
    rebind(KeymapsFrontendContribution).to(DeferredKeymapsContribution).inSingletonScope();
    bindDeferredPreferencesWidget(bind, unbind);
    rebind(AIChatInputWidget).to(DeferredChatInput);

    // Views
    bindViewContribution(bind, CoditectViewContribution);
    bind(FrontendApplicationContribution).toService(CoditectViewContribution);
    bindWidget(bind, CoditectWidget.ID, CoditectWidget);
    bindViewContribution(bind, WelcomeContribution);
    bind(FrontendApplicationContribution).toService(WelcomeContribution);
    bindWidget(bind, WelcomeWidget.ID, WelcomeWidget);
    bind(PreferenceContribution).toConstantValue({ schema: welcomePreferences });
    bind(FirstLayout).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(FirstLayout);
    bind(ConnectionView).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(ConnectionView);
});

function bindWidget<T>(bind: interfaces.Bind, id: string, widget: interfaces.Newable<T>): void {
    bind(widget).toSelf();
    bind(WidgetFactory).toDynamicValue(({ container }) => ({ id, createWidget: () => container.get(widget) })).inSingletonScope();
}
