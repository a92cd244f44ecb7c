import { Command, CommandContribution, CommandRegistry, MenuContribution, MenuModelRegistry, MessageService, QuickInputService, SelectionService, URI } from '@theia/core';
import { AbstractViewContribution } from '@theia/core/lib/browser';
import { UriAwareCommandHandler } from '@theia/core/lib/common/uri-command-handler';
import { inject, injectable } from '@theia/core/shared/inversify';
import { NavigatorContextMenu } from '@theia/navigator/lib/browser/navigator-contribution';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { describePermissions, parsePermissions } from './permissions';
import { TrashWidget } from './trash-widget';

const SET_PERMISSIONS: Command = { id: 'coditect:set-permissions', category: 'File', label: 'Set Permissions…' };

/** Opens the trash as a view at the left. */
@injectable()
export class TrashViewContribution extends AbstractViewContribution<TrashWidget> {

    constructor() {
        super({
            widgetId: TrashWidget.ID,
            widgetName: TrashWidget.LABEL,
            defaultWidgetOptions: { area: 'left', rank: 950 },
            toggleCommandId: 'coditect:toggle-trash'
        });
    }
}

/** What can be done with files that Theia has no command for. */
@injectable()
export class FileCommands implements CommandContribution, MenuContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(SelectionService) protected readonly selection: SelectionService;
    @inject(QuickInputService) protected readonly quickInput: QuickInputService;
    @inject(MessageService) protected readonly messages: MessageService;

    registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(SET_PERMISSIONS, UriAwareCommandHandler.MultiSelect(this.selection, {
            execute: uris => this.setPermissions(uris),
            isEnabled: uris => this.areFiles(uris),
            isVisible: uris => this.areFiles(uris)
        }));
    }

    registerMenus(menus: MenuModelRegistry): void {
        menus.registerMenuAction(NavigatorContextMenu.MODIFICATION, { commandId: SET_PERMISSIONS.id, order: 'z' });
    }

    protected areFiles(uris: URI[]): boolean {
        return uris.length > 0 && uris.every(uri => uri.scheme === 'file' && uri.path.toString() !== this.host.rootUri.path.toString());
    }

    protected async setPermissions(uris: URI[]): Promise<void> {
        try {
            const { permissions } = await this.host.shell.stat(uris[0].path.toString());
            const given = await this.quickInput.input({
                title: 'Set Permissions',
                value: describePermissions(permissions),
                prompt: 'As chmod takes them: three octal digits, or as rwxr-xr-x',
                validateInput: async value => parsePermissions(value) === undefined ? 'Three octal digits, such as 644, or letters, such as rw-r--r--' : undefined
            });
            const wanted = given === undefined ? undefined : parsePermissions(given);
            if (wanted !== undefined) {
                await Promise.all(uris.map(uri => this.host.shell.setPermissions(uri.path.toString(), wanted)));
            }
        } catch (error) {
            this.messages.error(ShellProblem.describe(error));
        }
    }
}
