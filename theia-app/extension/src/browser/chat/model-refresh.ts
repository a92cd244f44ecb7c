import { ChatViewWidget } from '@theia/ai-chat-ui/lib/browser/chat-view-widget';
import { ApplicationShell, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { PluginList } from '../plugins/plugin-list';
import { ModelCatalogue } from './model-catalogue';

/** How often the list of models is looked at again, in milliseconds. The server answers from what it knows. */
const REFRESH_MS = 60_000;

/**
 * Keeps the list of models fresh: now and then, when the person turns to the chat, and when plugins with models come, change and go. While there
 * is none, the upstreams are asked anew.
 */
@injectable()
export class ModelRefresh implements FrontendApplicationContribution {

    @inject(ApplicationShell) protected readonly shell: ApplicationShell;
    @inject(ModelCatalogue) protected readonly catalogue: ModelCatalogue;
    @inject(PluginList) protected readonly plugins: PluginList;

    protected timer: number | undefined;
    /** The plugins with models, as they were when the models were last looked for because of them. */
    protected providers = '[]';

    onStart(): void {
        this.timer = window.setInterval(() => this.catalogue.refresh(false), REFRESH_MS);
        this.shell.onDidChangeActiveWidget(({ newValue }) => {
            if (newValue?.id === ChatViewWidget.ID) {
                this.catalogue.refresh(this.catalogue.models.length === 0);
            }
        });
        this.plugins.onDidChange(() => this.followPlugins());
    }

    /** What a provider says depends on where it is set to ask, and on what it was granted. */
    protected followPlugins(): void {
        const providers = this.plugins.plugins?.filter(({ manifest }) => (manifest.offers?.providers?.length ?? 0) > 0);
        const now = JSON.stringify(providers?.map(({ manifest, state, settings, granted }) => [manifest.id, manifest.version, state, settings, granted]) ?? []);
        if (now !== this.providers) {
            this.providers = now;
            this.catalogue.refresh(false);
        }
    }

    onStop(): void {
        window.clearInterval(this.timer);
    }
}
