import { Command, CommandRegistry } from '@theia/core';
import { AbstractViewContribution, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { PluginActions } from './plugin-actions';
import { SHOW_PLUGIN } from './plugin-messages';
import { PLUGIN_PAGE_FACTORY, PluginPageOptions } from './plugin-page-widget';
import { PluginsWidget } from './plugins-widget';

const INSTALL_FILE: Command = { id: 'coditect:install-plugin-file', category: 'Plugins', label: 'Install from a File…' };

/** Puts the plugins' view into the left side bar, and shows pages of plugins in the main area. */
@injectable()
export class PluginsViewContribution extends AbstractViewContribution<PluginsWidget> implements FrontendApplicationContribution {

    @inject(PluginActions) protected readonly pluginActions: PluginActions;

    constructor() {
        super({
            widgetId: PluginsWidget.ID,
            widgetName: PluginsWidget.LABEL,
            defaultWidgetOptions: { area: 'left', rank: 800 },
            toggleCommandId: 'coditect:toggle-plugins',
            toggleKeybinding: 'ctrlcmd+shift+x'
        });
    }

    async initializeLayout(): Promise<void> {
        await this.openView();
    }

    override registerCommands(commands: CommandRegistry): void {
        super.registerCommands(commands);
        commands.registerCommand(SHOW_PLUGIN, { execute: (plugin: string) => this.show(plugin) });
        commands.registerCommand(INSTALL_FILE, { execute: () => this.pluginActions.installFile() });
    }

    protected async show(plugin: string): Promise<void> {
        const options: PluginPageOptions = { plugin };
        const page = await this.widgetManager.getOrCreateWidget(PLUGIN_PAGE_FACTORY, options);
        if (!page.isAttached) {
            await this.shell.addWidget(page, { area: 'main' });
        }
        await this.shell.activateWidget(page.id);
    }
}
