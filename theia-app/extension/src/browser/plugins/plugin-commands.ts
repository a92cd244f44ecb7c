import { CommandRegistry, Disposable, DisposableCollection, MenuModelRegistry } from '@theia/core';
import { KeybindingRegistry, KeybindingScope, KeySequence } from '@theia/core/lib/browser';
import { EditorContextMenu } from '@theia/editor/lib/browser/editor-menu';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { PluginCalls } from './plugin-calls';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { applyEdits } from './plugin-text';
import { PluginViewOpener } from './plugin-view-opener';
import { commandId } from './plugin-words';

/** Commands of plugins, in the palette, in the editor's menu and on keys. */
@injectable()
export class PluginCommands implements PluginSurface<'command'> {

    readonly kind = 'command';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(CommandRegistry) protected readonly commands: CommandRegistry;
    @inject(MenuModelRegistry) protected readonly menus: MenuModelRegistry;
    @inject(KeybindingRegistry) protected readonly keybindings: KeybindingRegistry;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginMessages) protected readonly messages: PluginMessages;
    @inject(PluginViewOpener) protected readonly views: PluginViewOpener;

    add(offer: OfferOf<'command'>): Disposable {
        const { plugin, plugin_title, surface: { id, title, languages, keybinding } } = offer;
        const command = { id: commandId(plugin, id), category: plugin_title, label: title };
        const added = new DisposableCollection(this.commands.registerCommand(command, { execute: () => this.run(offer) }));
        if (languages.length > 0) {
            // A command of its own: the palette's is there whatever is looked at.
            const menu = { id: `${command.id}@menu` };
            added.pushAll([
                this.commands.registerCommand(menu, { execute: () => this.run(offer), isVisible: () => this.fits(offer), isEnabled: () => this.fits(offer) }),
                this.menus.registerMenuAction([...EditorContextMenu.MODIFICATION, 'plugins'], { commandId: menu.id, label: title, order: `z_${plugin}` })
            ]);
        }
        if (keybinding && this.isFree(keybinding)) {
            added.push(this.keybindings.registerKeybinding({ command: command.id, keybinding }));
        }
        return added;
    }

    /** Nothing that the person is used to is taken away. */
    protected isFree(keybinding: string): boolean {
        try {
            const wanted = KeySequence.parse(keybinding);
            const scopes = [KeybindingScope.DEFAULT, KeybindingScope.USER, KeybindingScope.WORKSPACE];
            return scopes.flatMap(scope => this.keybindings.getKeybindingsByScope(scope)).every(taken =>
                KeySequence.compare(this.keybindings.resolveKeybinding(taken), wanted) === KeySequence.CompareResult.NONE);
        } catch {
            // Not what the editor takes for keys.
            return false;
        }
    }

    protected fits(offer: OfferOf<'command'>): boolean {
        const model = this.calls.current()?.getControl().getModel();
        return !!model && this.host.shell.offerFits(offer, model.uri.path, model.getLanguageId());
    }

    protected async run({ plugin, plugin_title, surface }: OfferOf<'command'>): Promise<void> {
        const editor = this.calls.current();
        const model = editor?.getControl().getModel();
        const version = model?.getVersionId() ?? 0;
        try {
            const { message, edits, open_view: view } = await this.calls.run(plugin, surface.title, { call: 'command', command: surface.id, context: this.calls.context() }, 'command');
            if (edits.length > 0) {
                const isChanged = model && !editor?.document.readOnly && applyEdits(model, edits, version);
                if (!isChanged) {
                    this.messages.warn(plugin, plugin_title, 'The text it was asked about was changed meanwhile, closed or cannot be changed, so that nothing was done to it. Run the command again.');
                }
            }
            if (message) {
                this.messages.answer(plugin_title, message);
            }
            if (view) {
                await this.views.open(plugin, view);
            }
        } catch (error) {
            this.messages.failed(plugin, plugin_title, error);
        }
    }
}
