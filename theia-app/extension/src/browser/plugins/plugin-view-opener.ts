import { URI } from '@theia/core';
import { ApplicationShell, WidgetManager } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';

/** Which view a widget shows. */
export interface PluginViewOptions {
    readonly plugin: string;
    readonly view: string;
    /** The file, for views of files. */
    readonly uri?: string;
}

export const PLUGIN_VIEW_FACTORY = 'coditect-plugin-view';

/** Opens views of plugins: those of the side bar at the left, those of files in the main area. */
@injectable()
export class PluginViewOpener {

    @inject(WidgetManager) protected readonly widgets: WidgetManager;
    @inject(ApplicationShell) protected readonly shell: ApplicationShell;

    async open(plugin: string, view: string, uri?: URI): Promise<object> {
        const options: PluginViewOptions = { plugin, view, ...(uri ? { uri: uri.toString() } : {}) };
        const widget = await this.widgets.getOrCreateWidget(PLUGIN_VIEW_FACTORY, options);
        if (!widget.isAttached) {
            await this.shell.addWidget(widget, uri ? { area: 'main' } : { area: 'left', rank: 960 });
        }
        await this.shell.activateWidget(widget.id);
        return widget;
    }
}
