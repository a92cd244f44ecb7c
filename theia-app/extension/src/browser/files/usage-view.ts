import { FrontendApplicationContribution, StatusBar, StatusBarAlignment } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { FileService } from '@theia/filesystem/lib/browser/file-service';
import { BinarySize } from '@theia/filesystem/lib/common/files';
import { ShellHost } from '../shell/shell-host';
import type { Usage } from '../shell/shell-types';

const STATUS_BAR_ID = 'coditect-usage';
/** Pause before it is asked for again after files changed, in milliseconds. */
const ASK_AFTER_MS = 5_000;
/** How often it is asked for though nothing was told to have changed, in milliseconds. */
const ASK_EVERY_MS = 60_000;
/** Share of the quota from which on the person is warned. */
const WARN_FROM = 0.9;

/** Shows in the status bar what the workspace takes on the disk, and how much it may. */
@injectable()
export class UsageView implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(StatusBar) protected readonly statusBar: StatusBar;
    @inject(FileService) protected readonly fileService: FileService;

    protected timer: number | undefined;

    onStart(): void {
        this.fileService.onDidFilesChange(() => this.askLater());
        this.askLater(0);
        // What the server counted after a pause, and what happens in other pages' terminals.
        window.setInterval(() => document.hidden || this.askLater(), ASK_EVERY_MS);
    }

    /** Many changes, one question. */
    protected askLater(after = ASK_AFTER_MS): void {
        this.timer ??= window.setTimeout(async () => {
            this.timer = undefined;
            try {
                this.show(await this.host.shell.usage(false));
            } catch {
                // Told by whatever the person does next; it is asked again with the next change.
            }
        }, after);
    }

    protected show({ bytes, trash_bytes, quota_bytes }: Usage): void {
        const taken = BinarySize.formatSize(bytes);
        const quota = quota_bytes ?? undefined;
        const text = quota === undefined ? taken : `${taken} of ${BinarySize.formatSize(quota)}`;
        const scarce = quota !== undefined && bytes >= quota * WARN_FROM;
        this.statusBar.setElement(STATUS_BAR_ID, {
            alignment: StatusBarAlignment.RIGHT,
            priority: 1,
            text: `$(codicon-${scarce ? 'warning' : 'database'}) ${text}`,
            tooltip: `The workspace takes ${text} on the disk, ${BinarySize.formatSize(trash_bytes)} of it in the trash.`
                + (scarce ? ' Delete what is not needed, then empty the trash, before it is full.' : ''),
            command: 'coditect:toggle-trash',
            accessibilityInformation: { label: `Disk: ${text}` }
        }).catch(error => console.error(error));
    }
}
