import { Disposable, DisposableCollection } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { MonacoThemingService } from '@theia/monaco/lib/browser/monaco-theming-service';
import { ShellHost } from '../shell/shell-host';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';

/** Colour themes of plugins. */
@injectable()
export class PluginThemes implements PluginSurface<'theme'> {

    readonly kind = 'theme';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(MonacoThemingService) protected readonly theming: MonacoThemingService;
    @inject(PluginMessages) protected readonly messages: PluginMessages;

    add(offer: OfferOf<'theme'>): Disposable {
        const added = new DisposableCollection(Disposable.create(() => undefined));
        this.load(offer, added).catch(error => this.messages.failed(offer.plugin, offer.plugin_title, error));
        return added;
    }

    protected async load({ plugin, plugin_title, surface: { id, title, dark, path } }: OfferOf<'theme'>, added: DisposableCollection): Promise<void> {
        const json = await this.host.shell.pluginTheme(plugin, path);
        if (added.disposed) {
            return;
        }
        // Whoever chose it has it again with the next start, and the default where it is no longer there: Theia sees to both.
        added.push(this.theming.registerParsedTheme({
            id: `plugin-${plugin}-${id}`, label: `${title} (${plugin_title})`, description: plugin_title, uiTheme: dark ? 'vs-dark' : 'vs', json: { name: title, type: dark ? 'dark' : 'light', ...json }
        }));
    }
}
