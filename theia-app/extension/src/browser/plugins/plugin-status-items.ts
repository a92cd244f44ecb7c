import { Disposable, DisposableCollection } from '@theia/core';
import { StatusBar, StatusBarAlignment } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager, EditorWidget } from '@theia/editor/lib/browser';
import { Saveable } from '@theia/core/lib/browser';
import { CoalescingTask } from '../scm/coalescing-task';
import { PluginCalls } from './plugin-calls';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { commandId } from './plugin-words';

/** How long it is quiet before a place is asked again, and how long that is put off at most, in milliseconds. */
const QUIET_MS = 200;
const LONGEST_MS = 2000;
/** Longest text of a place, in characters. */
const MAX_TEXT = 60;
/** Right of what the IDE itself says. */
const PRIORITY = 1;

/** Places of plugins in the status bar. */
@injectable()
export class PluginStatusItems implements PluginSurface<'status_item'> {

    readonly kind = 'status_item';

    @inject(StatusBar) protected readonly statusBar: StatusBar;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginMessages) protected readonly messages: PluginMessages;

    add(offer: OfferOf<'status_item'>): Disposable {
        const element = commandId(offer.plugin, `status/${offer.surface.id}`);
        const controller = new AbortController();
        const task = new CoalescingTask(() => this.show(offer, element, controller.signal), QUIET_MS, LONGEST_MS);
        const saved = new Map<EditorWidget, Disposable>();
        const follow = (editor: EditorWidget) => {
            const saveable = Saveable.get(editor);
            const listening = saveable?.onDirtyChanged(() => !saveable.dirty && task.soon()) ?? Disposable.NULL;
            saved.set(editor, listening);
            editor.disposed.connect(() => {
                listening.dispose();
                saved.delete(editor);
            });
        };
        this.editors.all.forEach(follow);
        task.soon();
        return new DisposableCollection(
            this.editors.onCreated(follow),
            this.editors.onCurrentEditorChanged(() => task.soon()),
            Disposable.create(() => {
                saved.forEach(listening => listening.dispose());
                task.cancel();
                controller.abort();
                this.statusBar.removeElement(element).catch(error => console.error(error));
            })
        );
    }

    protected async show({ plugin, plugin_title, surface }: OfferOf<'status_item'>, element: string, signal: AbortSignal): Promise<void> {
        try {
            const { text, tooltip, command, severity } = await this.calls.ask(plugin, { call: 'status', item: surface.id, context: this.calls.context() }, 'status', signal);
            if (signal.aborted) {
                return;
            }
            if (!text) {
                await this.statusBar.removeElement(element);
                return;
            }
            await this.statusBar.setElement(element, {
                alignment: StatusBarAlignment.RIGHT,
                priority: PRIORITY,
                name: `${plugin_title}: ${surface.title}`,
                text: text.slice(0, MAX_TEXT),
                tooltip: `${tooltip ?? surface.title} (plugin “${plugin_title}”)`,
                ...(command ? { command: commandId(plugin, command) } : {}),
                ...(severity === 'error' ? { backgroundColor: 'var(--theia-statusBarItem-errorBackground)', color: 'var(--theia-statusBarItem-errorForeground)' } : {}),
                ...(severity === 'warning' ? { backgroundColor: 'var(--theia-statusBarItem-warningBackground)', color: 'var(--theia-statusBarItem-warningForeground)' } : {}),
                accessibilityInformation: { label: `${plugin_title}: ${text}` }
            });
        } catch (error) {
            this.messages.failed(plugin, plugin_title, error);
        }
    }
}
