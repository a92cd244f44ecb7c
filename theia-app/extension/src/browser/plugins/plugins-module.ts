import '../../../resources/plugins.css';
import { ChatResponsePartRenderer } from '@theia/ai-chat-ui/lib/browser/chat-response-part-renderer';
import { ToolConfirmationManager } from '@theia/ai-chat/lib/browser/chat-tool-preference-bindings';
import { FrontendChatToolRequestService } from '@theia/ai-chat/lib/browser/chat-tool-request-service';
import { ChatContentDeserializerContribution } from '@theia/ai-chat/lib/common/chat-content-deserializer';
import { bindContributionProvider } from '@theia/core';
import { bindViewContribution, FrontendApplicationContribution, WidgetFactory } from '@theia/core/lib/browser';
import { interfaces } from '@theia/core/shared/inversify';
import { PluginActions } from './plugin-actions';
import { PluginAnswerRenderer } from './plugin-answer-renderer';
import { PluginBuildSteps } from './plugin-build-steps';
import { PluginCalls } from './plugin-calls';
import { PluginChecks, PluginFindings } from './plugin-checks';
import { PluginCommands } from './plugin-commands';
import { PluginFormatters } from './plugin-formatters';
import { PluginList } from './plugin-list';
import { PluginMessages } from './plugin-messages';
import { PLUGIN_PAGE_FACTORY, PluginPageOptions, PluginPageWidget } from './plugin-page-widget';
import { PluginParticipants } from './plugin-participants';
import { PluginSaveHooks } from './plugin-save-hooks';
import { PluginStatusItems } from './plugin-status-items';
import { PluginSurface } from './plugin-surface';
import { PluginThemes } from './plugin-themes';
import { PluginToolConfirmation, PluginToolRequests, PluginTools } from './plugin-tools';
import { PLUGIN_VIEW_FACTORY, PluginViewOpener } from './plugin-view-opener';
import { PluginViewOptionsToken, PluginViewWidget } from './plugin-view-widget';
import { PluginViews } from './plugin-views';
import { PluginsViewContribution } from './plugins-view-contribution';
import { PluginsWidget } from './plugins-widget';

/** Plugins, and each place of the IDE where they add something. Nothing of it is made before a plugin needs it, or a person looks. */
export function bindPlugins(bind: interfaces.Bind, rebind: interfaces.Rebind): void {
    for (const service of [PluginCalls, PluginMessages, PluginActions, PluginFindings, PluginViewOpener]) {
        bind<object>(service).toSelf().inSingletonScope();
    }
    bind(PluginList).toSelf().inSingletonScope();
    bind(FrontendApplicationContribution).toService(PluginList);
    bindContributionProvider(bind, PluginSurface);
    const surfaces = [
        PluginCommands, PluginFormatters, PluginChecks, PluginSaveHooks, PluginTools, PluginParticipants, PluginBuildSteps, PluginStatusItems, PluginViews, PluginThemes
    ];
    for (const surface of surfaces) {
        bind<object>(surface).toSelf().inSingletonScope();
        bind(PluginSurface).toService(surface);
    }

    // Chat
    bind(ChatContentDeserializerContribution).toService(PluginParticipants);
    bind(PluginAnswerRenderer).toSelf().inSingletonScope();
    bind(ChatResponsePartRenderer).toService(PluginAnswerRenderer);
    bind(PluginToolConfirmation).toSelf().inSingletonScope();
    rebind(ToolConfirmationManager).toService(PluginToolConfirmation);
    rebind(FrontendChatToolRequestService).to(PluginToolRequests).inSingletonScope();

    // Views
    bindViewContribution(bind, PluginsViewContribution);
    bind(FrontendApplicationContribution).toService(PluginsViewContribution);
    bind(PluginsWidget).toSelf();
    bind(WidgetFactory).toDynamicValue(({ container }) => ({ id: PluginsWidget.ID, createWidget: () => container.get(PluginsWidget) })).inSingletonScope();
    bindWidgets(bind, PLUGIN_VIEW_FACTORY, PluginViewWidget, PluginViewOptionsToken);
    bindWidgets(bind, PLUGIN_PAGE_FACTORY, PluginPageWidget, PluginPageOptions);
}

/** Widgets of which there are several, each with options of its own. */
function bindWidgets<T>(bind: interfaces.Bind, id: string, widget: interfaces.Newable<T>, options: symbol): void {
    bind(WidgetFactory).toDynamicValue(({ container }) => ({
        id,
        createWidget: (given: object) => {
            const child = container.createChild();
            child.bind(options).toConstantValue(given);
            child.bind(widget).toSelf();
            return child.get(widget);
        }
    })).inSingletonScope();
}
