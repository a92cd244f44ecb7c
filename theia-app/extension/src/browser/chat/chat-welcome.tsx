import { ChatWelcomeMessageProvider } from '@theia/ai-chat-ui/lib/browser/chat-tree-view';
import { inject, injectable } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';
import { CODITECT_AGENT_ID } from './coditect-agent';
import { ModelCatalogue } from './model-catalogue';

/** What an empty chat shows. */
@injectable()
export class ChatWelcome implements ChatWelcomeMessageProvider {

    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;

    readonly defaultAgent = CODITECT_AGENT_ID;
    /** A question may always be asked: without a model its answer says how to get one. */
    readonly modelRequirementBypassed = true;

    get onStateChanged(): ModelCatalogue['onDidChange'] {
        return this.catalogue.onDidChange;
    }

    get hasReadyModels(): boolean {
        return this.catalogue.models.length > 0;
    }

    renderWelcomeMessage(): React.ReactNode {
        const advice = this.catalogue.advice;
        return <div key='coditect-chat-welcome' className='coditect-chat-welcome'>
            <div className='coditect-logo' aria-hidden='true' />
            <h3>What shall we do?</h3>
            {advice
                ? <React.Fragment>
                    <p role='status'>{advice}</p>
                    <button className='theia-button secondary' onClick={() => this.catalogue.refresh(true)}>Look again</button>
                </React.Fragment>
                : <p>Ask about this workspace, or say what to change. <code>#</code> adds a file, <code>@</code> names another agent.</p>}
        </div>;
    }
}
