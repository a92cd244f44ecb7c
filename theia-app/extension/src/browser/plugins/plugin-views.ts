import { CommandRegistry, Disposable, DisposableCollection, MenuModelRegistry, URI } from '@theia/core';
import { CommonMenus, OpenerService, OpenHandler, QuickViewService } from '@theia/core/lib/browser';
import { getDefaultHandler, defaultHandlerPriority } from '@theia/core/lib/browser/opener-service';
import { OpenWithService } from '@theia/core/lib/browser/open-with-service';
import { PreferenceService } from '@theia/core/lib/common/preferences';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { OfferOf, PluginSurface } from './plugin-surface';
import { PluginViewOpener } from './plugin-view-opener';
import { commandId } from './plugin-words';

/** Less than the text editor's, which stays what a file is opened with until the person chooses otherwise. */
const PRIORITY = 50;

/** Views of plugins: in the side bar, and for files in place of the editor. */
@injectable()
export class PluginViews implements PluginSurface<'view'> {

    readonly kind = 'view';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(CommandRegistry) protected readonly commands: CommandRegistry;
    @inject(MenuModelRegistry) protected readonly menus: MenuModelRegistry;
    @inject(QuickViewService) protected readonly quickView: QuickViewService;
    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(OpenWithService) protected readonly openWith: OpenWithService;
    @inject(PreferenceService) protected readonly preferences: PreferenceService;
    @inject(PluginViewOpener) protected readonly views: PluginViewOpener;

    /** What is open of it closes itself. */
    add(offer: OfferOf<'view'>): Disposable {
        return offer.surface.place === 'side' ? this.addToSideBar(offer) : this.addForFiles(offer);
    }

    protected addToSideBar({ plugin, plugin_title, surface: { id, title } }: OfferOf<'view'>): Disposable {
        const label = `${title} (${plugin_title})`;
        const open = () => this.views.open(plugin, id);
        const command = { id: commandId(plugin, `view/${id}`), category: 'View', label: `Show ${label}` };
        return new DisposableCollection(
            this.commands.registerCommand(command, { execute: open }),
            this.menus.registerMenuAction(CommonMenus.VIEW_VIEWS, { commandId: command.id, label }),
            this.quickView.registerItem({ label, open })
        );
    }

    protected addForFiles(offer: OfferOf<'view'>): Disposable {
        const { plugin, plugin_title, surface: { id, title } } = offer;
        const handlerId = commandId(plugin, `view/${id}`);
        const isFor = (uri: URI) => uri.scheme === 'file' && this.host.shell.offerFits(offer, uri.path.toString(), '');
        const handler: OpenHandler = {
            id: handlerId,
            label: title,
            iconClass: 'codicon codicon-extensions',
            canHandle: uri => !isFor(uri) ? 0 : getDefaultHandler(uri, this.preferences) === handlerId ? defaultHandlerPriority : PRIORITY,
            open: uri => this.views.open(plugin, id, uri)
        };
        const added = new DisposableCollection(this.openWith.registerHandler({
            id: handlerId,
            label: title,
            providerName: `Plugin “${plugin_title}”`,
            iconClass: handler.iconClass,
            canHandle: uri => isFor(uri) ? PRIORITY : 0,
            open: uri => this.views.open(plugin, id, uri)
        }));
        added.push(this.openers.addHandler?.(handler) ?? Disposable.NULL);
        return added;
    }
}
