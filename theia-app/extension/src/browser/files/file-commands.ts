import { Command, CommandContribution, CommandRegistry, MenuContribution, MenuModelRegistry, MessageService, QuickInputService, SelectionService, URI } from '@theia/core';
import { AbstractViewContribution } from '@theia/core/lib/browser';
import { UriAwareCommandHandler } from '@theia/core/lib/common/uri-command-handler';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileSelection } from '@theia/filesystem/lib/browser/file-selection';
import { FileSystemCommands } from '@theia/filesystem/lib/browser/filesystem-frontend-contribution';
import { NAVIGATOR_CONTEXT_MENU, NavigatorContextMenu } from '@theia/navigator/lib/browser/navigator-contribution';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { describePermissions, parsePermissions } from './permissions';
import { ServerFileDownload } from './server-file-download';
import { ServerFileUpload } from './server-file-upload';
import { SHOW_TRASH, TrashWidget } from './trash-widget';

const DOWNLOAD_TAR: Command = { id: 'coditect:download-tar', category: 'File', label: 'Download as tar' };
const SET_PERMISSIONS: Command = { id: 'coditect:set-permissions', category: 'File', label: 'Set Permissions…' };

/** Where the explorer's menu has Theia's own “Download”. */
const DOWNLOAD_MENU = [...NAVIGATOR_CONTEXT_MENU, '6_downloadupload'];

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

    override registerCommands(commands: CommandRegistry): void {
        super.registerCommands(commands);
        commands.registerCommand(SHOW_TRASH, { execute: () => this.openView({ activate: true }) });
    }
}

/** What can be done with files that Theia has no command for. */
@injectable()
export class FileCommands implements CommandContribution, MenuContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(ServerFileDownload) protected readonly downloads: ServerFileDownload;
    @inject(ServerFileUpload) protected readonly uploads: ServerFileUpload;
    @inject(SelectionService) protected readonly selection: SelectionService;
    @inject(QuickInputService) protected readonly quickInput: QuickInputService;
    @inject(MessageService) protected readonly messages: MessageService;

    registerCommands(commands: CommandRegistry): void {
        // Theia offers it only where something is selected, so an empty workspace could not be filled.
        commands.registerHandler(FileSystemCommands.UPLOAD.id, {
            isEnabled: (...args: unknown[]) => !FileSelection.is(args[0]) && this.isNothingSelected(),
            execute: () => this.uploads.upload(this.host.rootUri, {})
        });
        commands.registerCommand(DOWNLOAD_TAR, UriAwareCommandHandler.MultiSelect(this.selection, {
            execute: uris => this.downloads.downloadTar(uris),
            isEnabled: uris => this.areInWorkspace(uris),
            isVisible: uris => this.areInWorkspace(uris)
        }));
        commands.registerCommand(SET_PERMISSIONS, UriAwareCommandHandler.MultiSelect(this.selection, {
            execute: uris => this.setPermissions(uris),
            isEnabled: uris => this.areFiles(uris),
            isVisible: uris => this.areFiles(uris)
        }));
    }

    registerMenus(menus: MenuModelRegistry): void {
        menus.registerMenuAction(DOWNLOAD_MENU, { commandId: DOWNLOAD_TAR.id, order: 'c' });
        menus.registerMenuAction(NavigatorContextMenu.MODIFICATION, { commandId: SET_PERMISSIONS.id, order: 'z' });
    }

    protected isNothingSelected(): boolean {
        const { selection } = this.selection;
        return !(Array.isArray(selection) ? selection : [selection]).some(each => FileSelection.is(each));
    }

    protected areInWorkspace(uris: URI[]): boolean {
        return uris.length > 0 && uris.every(uri => uri.scheme === 'file' && this.host.rootUri.isEqualOrParent(uri));
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
