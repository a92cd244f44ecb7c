import { ToolInvocationContext, ToolInvocationRegistry, ToolRequest, ToolRequestParameters } from '@theia/ai-core';
import { MutableChatRequestModel } from '@theia/ai-chat/lib/common/chat-model';
import { FrontendChatToolRequestService } from '@theia/ai-chat/lib/browser/chat-tool-request-service';
import { ToolConfirmationMode } from '@theia/ai-chat/lib/common/chat-tool-preferences';
import { Disposable } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { CODITECT_AGENT_ID } from '../chat/coditect-agent';
import { WorkspaceToolConfirmation } from '../chat/workspace-tools';
import { toAbortSignal } from '../shell/abort';
import { ShellProblem } from '../shell/shell-problem';
import { PluginCalls } from './plugin-calls';
import { OfferOf, PluginSurface } from './plugin-surface';

/** Before the name of a plugin, as the one who provides a tool. */
const PROVIDER_PREFIX = 'plugin ';

/** Tools of plugins, for language models. */
@injectable()
export class PluginTools implements PluginSurface<'tool'> {

    readonly kind = 'tool';

    @inject(ToolInvocationRegistry) protected readonly registry: ToolInvocationRegistry;
    @inject(PluginCalls) protected readonly calls: PluginCalls;

    /** What models can be given now, by name. */
    readonly tools = new Map<string, ToolRequest>();

    add(offer: OfferOf<'tool'>): Disposable {
        const { surface: { name } } = offer;
        const tool = this.toToolRequest(offer);
        this.registry.registerTool(tool);
        this.tools.set(name, tool);
        return Disposable.create(() => {
            this.registry.unregisterTool(name);
            this.tools.delete(name);
        });
    }

    protected toToolRequest({ plugin, plugin_title, surface: { id, name, description, parameters, changes } }: OfferOf<'tool'>): ToolRequest {
        return {
            id: name,
            name,
            description,
            parameters: JSON.parse(parameters) as ToolRequestParameters,
            providerName: PROVIDER_PREFIX + plugin,
            confirmAlwaysAllow: changes && `The plugin “${plugin_title}” changes something with it.`,
            handler: async (args, context) => {
                const signal = toAbortSignal(ToolInvocationContext.getCancellationToken(context));
                try {
                    return (await this.calls.ask(plugin, { call: 'tool', tool: id, arguments: args || '{}' }, 'text', signal)).text;
                } catch (error) {
                    if (ShellProblem.hasKind(error, 'cancelled')) {
                        throw error;
                    }
                    // The model gets to read it, and can do better.
                    return ShellProblem.describe(error);
                }
            }
        };
    }
}

/** Tools of plugins that change nothing run at once, like those of the workspace, unless the person wants to be asked. */
@injectable()
export class PluginToolConfirmation extends WorkspaceToolConfirmation {

    override getConfirmationMode(toolId: string, chatId: string, toolRequest?: ToolRequest): ToolConfirmationMode {
        const isOfPlugin = toolRequest?.providerName?.startsWith(PROVIDER_PREFIX);
        if (isOfPlugin && !this.isChosen(toolId, chatId)) {
            return toolRequest?.confirmAlwaysAllow ? ToolConfirmationMode.CONFIRM : ToolConfirmationMode.ALWAYS_ALLOW;
        }
        return super.getConfirmationMode(toolId, chatId, toolRequest);
    }
}

/** Gives our agent the tools of plugins beside its own; other agents get those that the person names. */
@injectable()
export class PluginToolRequests extends FrontendChatToolRequestService {

    @inject(PluginTools) protected readonly plugins: PluginTools;

    override getChatToolRequests(request: MutableChatRequestModel): ToolRequest[] {
        const named = super.getChatToolRequests(request);
        if (request.agentId !== CODITECT_AGENT_ID && request.response.agentId !== CODITECT_AGENT_ID) {
            return named;
        }
        const others = [...this.plugins.tools.values()].filter(tool => !named.some(({ id }) => id === tool.id));
        return [...named, ...this.toChatToolRequests(others, request)];
    }
}
