import { ChatViewWidget } from '@theia/ai-chat-ui/lib/browser/chat-view-widget';
import { ApplicationShell, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ModelCatalogue } from './model-catalogue';

/** How often the list of models is looked at again, in milliseconds. The server answers from what it knows. */
const REFRESH_MS = 60_000;

/** Keeps the list of models fresh: now and then, and when the person turns to the chat. While there is none, the upstreams are asked anew. */
@injectable()
export class ModelRefresh implements FrontendApplicationContribution {

    @inject(ApplicationShell) protected readonly shell: ApplicationShell;
    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;

    protected timer: number | undefined;

    onStart(): void {
        this.timer = window.setInterval(() => this.catalogue.refresh(false), REFRESH_MS);
        this.shell.onDidChangeActiveWidget(({ newValue }) => {
            if (newValue?.id === ChatViewWidget.ID) {
                this.catalogue.refresh(this.catalogue.models.length === 0);
            }
        });
    }

    onStop(): void {
        window.clearInterval(this.timer);
    }
}
