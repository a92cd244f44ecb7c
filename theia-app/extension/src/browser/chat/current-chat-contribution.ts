import { AIChatContribution } from '@theia/ai-chat-ui/lib/browser/ai-chat-ui-contribution';
import { ChatCommands } from '@theia/ai-chat-ui/lib/browser/chat-view-commands';
import { CommandRegistry } from '@theia/core';
import { injectable } from '@theia/core/shared/inversify';

/** Lets the palette rename and delete the chat in front; the stock commands only know one that is handed to them, and fail without. */
@injectable()
export class CurrentChatContribution extends AIChatContribution {

    override registerCommands(registry: CommandRegistry): void {
        super.registerCommands(registry);
        const onCurrent = (act: (sessionId: string) => Promise<void>) => ({
            isEnabled: (session?: unknown) => session === undefined && this.activationService.canRun,
            isVisible: (session?: unknown) => session === undefined && this.activationService.isActive,
            execute: async () => {
                const session = this.chatService.getActiveSession();
                return session && act(session.id);
            }
        });
        registry.registerHandler(ChatCommands.AI_CHAT_RENAME_SESSION.id, onCurrent(id => this.renameSession(id)));
        registry.registerHandler(ChatCommands.AI_CHAT_DELETE_SESSION.id, onCurrent(id => this.deleteSession(id, true)));
    }
}
