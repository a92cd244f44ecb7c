import { AbstractStreamParsingChatAgent } from '@theia/ai-chat/lib/common/chat-agents';
import { ErrorChatResponseContentImpl, MutableChatRequestModel } from '@theia/ai-chat/lib/common/chat-model';
import { LanguageModel, LanguageModelRequirement } from '@theia/ai-core';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { ModelCatalogue } from './model-catalogue';

export const CODITECT_AGENT_ID = 'Coditect';
const SYSTEM_PROMPT_ID = 'coditect-system';

/** The agent that answers unless another one is named. It knows the workspace through the shell's tools. */
@injectable()
export class CoditectAgent extends AbstractStreamParsingChatAgent {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;

    readonly id = CODITECT_AGENT_ID;
    readonly name = 'Coditect';
    override description = 'Answers questions about the workspace and changes it with you.';
    override iconClass = 'coditect-icon';
    readonly languageModelRequirements: LanguageModelRequirement[] = [{ purpose: 'chat', identifier: 'default/universal' }];
    protected readonly defaultLanguageModelPurpose = 'chat';
    protected override systemPromptId = SYSTEM_PROMPT_ID;

    @postConstruct()
    override init(): void {
        super.init();
        const tools = this.host.shell.tools().map(({ name }: { name: string }) => name);
        this.functions = tools;
        this.prompts = [{ id: SYSTEM_PROMPT_ID, defaultVariant: { id: `${SYSTEM_PROMPT_ID}-default`, template: systemPrompt(this.host.rootUri.path.toString(), tools) } }];
    }

    /** A model may have been started a moment ago; only when there still is none the person is told how to get one. */
    protected override async selectLanguageModel(selector: LanguageModelRequirement): Promise<LanguageModel> {
        const find = () => this.languageModelRegistry.selectLanguageModel({ agent: this.id, ...selector });
        let model = await find();
        if (!model) {
            await this.catalogue.refresh(true);
            model = await find();
        }
        if (!model) {
            throw new NoModel(this.catalogue.advice ?? 'The chosen model is not there any more; choose another one.');
        }
        return model;
    }

    /** What the person can read in the answer, with what to do about it, is no fault of the program to be logged. */
    protected override handleError(request: MutableChatRequestModel, error: Error): void {
        if (!(error instanceof NoModel || ShellProblem.is(error))) {
            super.handleError(request, error);
            return;
        }
        const shown = new Error(ShellProblem.describe(error));
        request.response.response.addContent(new ErrorChatResponseContentImpl(shown));
        request.response.error(shown);
    }
}

/** There is no model to ask; the message says how to get one. */
class NoModel extends Error { }

function systemPrompt(root: string, tools: readonly string[]): string {
    return `You are Coditect, the coding agent of this IDE. You work together with one person in the workspace \`${root}\`.

Tools:
${tools.map(name => `- ~{${name}}`).join('\n')}

Rules:
- Find out before you answer: use the tools to read the files in question. Never invent the content of a file, a path or the output of a command.
- Do what was asked, no more. Change as little as is needed, in the style of the code around it.
- Read a file before you change it. After a change, check it with the project's own means where there are some.
- The person may refuse a tool. Then do not try it again; ask or go on without it.
- Answer briefly, in the language of the person, in Markdown; name files by their path in the workspace. Say openly what you did not do or do not know.

{{contextDetails}}`;
}
