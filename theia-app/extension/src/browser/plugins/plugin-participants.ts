import { AgentService, LanguageModelRequirement } from '@theia/ai-core';
import { ChatAgent, ChatAgentLocation, ChatAgentService } from '@theia/ai-chat/lib/common';
import { ErrorChatResponseContentImpl, MutableChatRequestModel } from '@theia/ai-chat/lib/common/chat-model';
import { ChatContentDeserializerContribution, ChatContentDeserializerRegistry } from '@theia/ai-chat/lib/common/chat-content-deserializer';
import { Disposable } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import type { PluginItem, Said } from 'coditect-shell';
import { toAbortSignal } from '../shell/abort';
import { ShellProblem } from '../shell/shell-problem';
import { PLUGIN_ANSWER, PluginAnswer, PluginAnswerData } from './plugin-answer';
import { PluginCalls } from './plugin-calls';
import { OfferOf, PluginSurface } from './plugin-surface';

/** Chat participants of plugins, as agents by `@name`. */
@injectable()
export class PluginParticipants implements PluginSurface<'participant'>, ChatContentDeserializerContribution {

    readonly kind = 'participant';

    @inject(ChatAgentService) protected readonly chatAgents: ChatAgentService;
    @inject(AgentService) protected readonly agents: AgentService;
    @inject(PluginCalls) protected readonly calls: PluginCalls;

    registerDeserializers(registry: ChatContentDeserializerRegistry): void {
        registry.register({ kind: PLUGIN_ANSWER, deserialize: (data: PluginAnswerData) => new PluginAnswer(data) });
    }

    add(offer: OfferOf<'participant'>): Disposable {
        const agent = new PluginAgent(offer, this.calls);
        this.chatAgents.registerChatAgent(agent);
        this.agents.registerAgent(agent);
        return Disposable.create(() => {
            this.chatAgents.unregisterChatAgent(agent.id);
            this.agents.unregisterAgent(agent.id);
        });
    }
}

class PluginAgent implements ChatAgent {

    readonly id: string;
    readonly name: string;
    readonly description: string;
    readonly iconClass = 'codicon codicon-extensions';
    readonly locations = ChatAgentLocation.ALL;
    readonly tags = ['Plugin'];
    readonly variables = [];
    readonly prompts = [];
    readonly agentSpecificVariables = [];
    readonly functions = [];
    /** It asks its own, within what was granted. */
    readonly languageModelRequirements: LanguageModelRequirement[] = [];

    constructor(protected readonly offer: OfferOf<'participant'>, protected readonly calls: PluginCalls) {
        const { plugin, plugin_title, surface: { id, name, title, description } } = offer;
        // Whoever had it chosen keeps it when its name has to change.
        this.id = `plugin:${plugin}/${id}`;
        this.name = name;
        this.description = `${title}: ${description} (plugin “${plugin_title}”)`;
    }

    async invoke(request: MutableChatRequestModel): Promise<void> {
        const { response } = request;
        const text = request.message.parts.map(part => part.kind === 'agent' ? '' : part.promptText).join('').trim();
        try {
            await this.calls.ask(this.offer.plugin, {
                call: 'respond', participant: this.offer.surface.id, text, history: historyBefore(request, this.id), context: this.calls.context()
            }, 'done', toAbortSignal(response.cancellationToken), item => this.take(item, request));
            response.complete();
        } catch (error) {
            if (response.isCanceled) {
                return;
            }
            const shown = new Error(ShellProblem.describe(error));
            response.response.addContent(new ErrorChatResponseContentImpl(shown));
            response.error(shown);
        }
    }

    protected take(item: PluginItem, { response }: MutableChatRequestModel): void {
        switch (item.item) {
            case 'text': return response.response.addContent(new PluginAnswer({ part: 'text', text: item.text }));
            case 'thought': return response.response.addContent(new PluginAnswer({ part: 'thought', text: item.text }));
            case 'reference': return response.response.addContent(new PluginAnswer({ part: 'reference', text: item.path, line: item.line ?? undefined }));
            default: return undefined;
        }
    }
}

/** What was said in this conversation to and by the participant before. What others were told is none of its business. */
function historyBefore(request: MutableChatRequestModel, participant: string): Said[] {
    const before = request.session.getRequests().filter(({ id, response }) => id !== request.id && response.agentId === participant);
    return before.flatMap(({ message, response }): Said[] => [
        { by: 'user', text: message.parts.map(part => part.promptText).join('').trim() },
        { by: 'assistant', text: response.response.asString() }
    ]).filter(({ text }) => text !== '');
}
