import { AIChatInputWidget } from '@theia/ai-chat-ui/lib/browser/chat-input-widget';
import { Message } from '@theia/core/lib/browser';
import { injectable } from '@theia/core/shared/inversify';
import * as React from '@theia/core/shared/react';

/**
 * Makes the chat's input when it is seen for the first time. The view is there from the start, behind its icon; its input is a whole
 * editor, which would also load the editor's worker.
 */
@injectable()
export class DeferredChatInput extends AIChatInputWidget {

    protected seen = false;

    protected override onAfterAttach(message: Message): void {
        super.onAfterAttach(message);
        this.look();
    }

    protected override onAfterShow(message: Message): void {
        super.onAfterShow(message);
        this.look();
    }

    protected look(): void {
        if (!this.seen && this.isVisible) {
            this.seen = true;
            this.update();
        }
    }

    protected override render(): React.ReactNode {
        return this.seen ? super.render() : undefined;
    }
}
