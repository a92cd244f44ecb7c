import { ChatSession } from '@theia/ai-chat';
import { ChatSessionNamingAgent } from '@theia/ai-chat/lib/common/chat-session-naming-service';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellProblem } from '../shell/shell-problem';
import { ModelCatalogue } from './model-catalogue';

/** Names a chat where a model can; otherwise the first question stays its name, which is no failure to report. */
@injectable()
export class QuietSessionNaming extends ChatSessionNamingAgent {

    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;

    override async generateChatSessionName(session: ChatSession, otherNames: string[]): Promise<string> {
        if (this.catalogue.models.length === 0) {
            return '';
        }
        try {
            return await super.generateChatSessionName(session, otherNames);
        } catch (error) {
            console.info(`The chat keeps its question as its name: ${ShellProblem.describe(error)}`);
            return '';
        }
    }
}
