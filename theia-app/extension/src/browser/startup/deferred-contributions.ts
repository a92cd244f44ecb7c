import { JsonSchemaStore } from '@theia/core/lib/browser/json-schema-store';
import { TabBarToolbarRegistry } from '@theia/core/lib/browser/shell/tab-bar-toolbar';
import { injectable, interfaces } from '@theia/core/shared/inversify';
import { KeymapsFrontendContribution } from '@theia/keymaps/lib/browser/keymaps-frontend-contribution';
import { KeybindingWidget } from '@theia/keymaps/lib/browser/keybindings-widget';
import { PreferencesContribution } from '@theia/preferences/lib/browser/preferences-contribution';
import { PreferencesWidget } from '@theia/preferences/lib/browser/views/preference-widget';
import { createPreferencesWidgetContainer } from '@theia/preferences/lib/browser/views/preference-widget-bindings';
import { SkillPromptCoordinator } from '@theia/ai-core/lib/browser/skill-prompt-coordinator';

/** Longest that deferred work waits for a quiet moment, in milliseconds. */
const IDLE_TIMEOUT_MS = 5000;

/** Schemas are collected after the start, in a quiet moment: they take a tenth of it, and only who edits settings asks for them. */
@injectable()
export class DeferredJsonSchemaStore extends JsonSchemaStore {

    override onStart(): void {
        const collect = () => super.onStart();
        // Safari has no idle callbacks.
        if (typeof requestIdleCallback === 'function') {
            requestIdleCallback(collect, { timeout: IDLE_TIMEOUT_MS });
        } else {
            setTimeout(collect, IDLE_TIMEOUT_MS);
        }
    }
}

/** Looks for the chat's skills beside the start instead of in it: that is several questions to the server, one after the other. */
@injectable()
export class DeferredSkillPromptCoordinator extends SkillPromptCoordinator {

    override async onStart(): Promise<void> {
        super.onStart().catch(error => console.error(error));
    }
}

/** Adds the buttons of the keyboard shortcuts' view when that view is made; the stock one makes it at the start, with a row for each shortcut. */
@injectable()
export class DeferredKeymapsContribution extends KeymapsFrontendContribution {

    override async registerToolbarItems(toolbar: TabBarToolbarRegistry): Promise<void> {
        const made = this.widgetManager.onDidCreateWidget(({ factoryId }) => {
            if (factoryId === KeybindingWidget.ID) {
                made.dispose();
                super.registerToolbarItems(toolbar).catch(error => console.error(error));
            }
        });
    }
}

/**
 * Makes the settings' view when it is opened. The stock binding also gives it to the contribution that opens it, which never uses it, and
 * so makes it, with a row for each setting, at the start.
 */
export function bindDeferredPreferencesWidget(bind: interfaces.Bind, unbind: interfaces.Unbind): void {
    unbind(PreferencesWidget);
    bind(PreferencesWidget)
        .toDynamicValue(({ container }) => createPreferencesWidgetContainer(container).get(PreferencesWidget))
        .inSingletonScope()
        .when(({ parentRequest }) => parentRequest === null);
    bind(PreferencesWidget)
        .toDynamicValue(() => undefined!)
        .whenInjectedInto(PreferencesContribution);
}
