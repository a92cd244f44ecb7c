import { AbstractViewContribution, CommonMenus, FrontendApplicationContribution, CommonCommands } from '@theia/core/lib/browser';
import { FrontendApplicationStateService } from '@theia/core/lib/browser/frontend-application-state';
import { CommandRegistry, MenuModelRegistry, PreferenceService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { EditorManager } from '@theia/editor/lib/browser/editor-manager';
import { STARTUP_EDITOR } from './welcome-preferences';
import { WelcomeWidget } from './welcome-widget';

const OPEN_WELCOME = { id: 'coditect:open-welcome', label: WelcomeWidget.LABEL };

/** Opens the welcome page where no editor is restored, as the setting `workbench.startupEditor` says. */
@injectable()
export class WelcomeContribution extends AbstractViewContribution<WelcomeWidget> implements FrontendApplicationContribution {

    @inject(FrontendApplicationStateService) protected readonly state: FrontendApplicationStateService;
    @inject(PreferenceService) protected readonly preferences: PreferenceService;
    @inject(EditorManager) protected readonly editors: EditorManager;
    @inject(CommandRegistry) protected readonly commandRegistry: CommandRegistry;

    constructor() {
        super({ widgetId: WelcomeWidget.ID, widgetName: WelcomeWidget.LABEL, defaultWidgetOptions: { area: 'main' } });
    }

    onStart(): void {
        this.openAtStart().catch(error => console.error(error));
    }

    override registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(OPEN_WELCOME, { execute: () => this.openView({ reveal: true, activate: true }) });
    }

    override registerMenus(menus: MenuModelRegistry): void {
        menus.registerMenuAction(CommonMenus.HELP, { commandId: OPEN_WELCOME.id, order: 'a10' });
    }

    protected async openAtStart(): Promise<void> {
        await Promise.all([this.state.reachedState('ready'), this.preferences.ready]);
        if (this.editors.all.length > 0) {
            return;
        }
        switch (this.preferences.get<string>(STARTUP_EDITOR)) {
            case 'none':
                return;
            case 'newUntitledFile':
                await this.commandRegistry.executeCommand(CommonCommands.NEW_UNTITLED_TEXT_FILE.id);
                return;
            default:
                await this.openView({ reveal: true });
        }
    }
}
