import { ToolInvocationContext, ToolInvocationRegistry, ToolRequest, ToolRequestParameters } from '@theia/ai-core';
import { CommandContribution, CommandRegistry } from '@theia/core';
import { CommonCommands, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ToolConfirmationManager } from '@theia/ai-chat/lib/browser/chat-tool-preference-bindings';
import { DEFAULT_TOOL_CONFIRMATION_PREFERENCE, TOOL_CONFIRMATION_PREFERENCE, ToolConfirmationMode } from '@theia/ai-chat/lib/common/chat-tool-preferences';
import { toolNeedsConfirmation } from 'coditect-shell';
import { toAbortSignal } from '../shell/abort';
import { ShellHost } from '../shell/shell-host';
import type { ToolSpec } from '../shell/shell-types';

const PROVIDER_NAME = 'Coditect';

/** Where Theia's question about a tool leads to; the view it means is not part of this product, the settings are. */
const OPEN_TOOLS_CONFIGURATION = { id: 'aiConfiguration:openTools' };

/** Gives Theia's agents the shell's tools over the workspace. */
@injectable()
export class WorkspaceTools implements FrontendApplicationContribution, CommandContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ToolInvocationRegistry) protected readonly registry: ToolInvocationRegistry;

    initialize(): void {
        for (const spec of this.host.shell.tools()) {
            this.registry.registerTool(this.toToolRequest(spec));
        }
    }

    registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(OPEN_TOOLS_CONFIGURATION, {
            execute: () => commands.executeCommand(CommonCommands.OPEN_PREFERENCES.id, TOOL_CONFIRMATION_PREFERENCE)
        });
    }

    protected toToolRequest({ name, description, parameters }: ToolSpec): ToolRequest {
        return {
            id: name,
            name,
            description,
            parameters: JSON.parse(parameters) as ToolRequestParameters,
            providerName: PROVIDER_NAME,
            confirmAlwaysAllow: toolNeedsConfirmation(name),
            handler: (args, context) => this.host.shell.runTool(name, args || '{}', toAbortSignal(ToolInvocationContext.getCancellationToken(context)))
        };
    }
}

/** Tools that only look run at once, unless the person wants to be asked; the others ask first. */
@injectable()
export class WorkspaceToolConfirmation extends ToolConfirmationManager {

    override getConfirmationMode(toolId: string, chatId: string, toolRequest?: ToolRequest): ToolConfirmationMode {
        if (!this.isChosen(toolId, chatId) && toolRequest?.providerName === PROVIDER_NAME && !toolNeedsConfirmation(toolId)) {
            return ToolConfirmationMode.ALWAYS_ALLOW;
        }
        return super.getConfirmationMode(toolId, chatId, toolRequest);
    }

    /** Whether the person said anything about this tool, or about all. */
    protected isChosen(toolId: string, chatId: string): boolean {
        return !!this.sessionOverrides.get(chatId)?.has(toolId)
            || toolId in this.getAllConfirmationSettings()
            || this.aiConfigurationService.inspect(DEFAULT_TOOL_CONFIRMATION_PREFERENCE)?.globalValue !== undefined;
    }
}
