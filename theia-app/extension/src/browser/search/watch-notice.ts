import { FrontendApplicationContribution, StatusBar, StatusBarAlignment } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import type { ShellChange } from '../shell/shell-types';

const STATUS_BAR_ID = 'coditect-watch';

/** Tells in the status bar that changes of files show later than usual, as long as they do. */
@injectable()
export class WatchNotice implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(StatusBar) protected readonly statusBar: StatusBar;

    /** The roots in which some folders are only looked at from time to time. */
    protected readonly polled = new Set<string>();

    onStart(): void {
        this.host.shell.onChanges((change: ShellChange) => {
            if (change.type !== 'watching') {
                return;
            }
            if (change.state === 'polling') {
                this.polled.add(change.path);
            } else {
                this.polled.delete(change.path);
            }
            this.show();
        });
    }

    protected show(): void {
        if (this.polled.size === 0) {
            this.statusBar.removeElement(STATUS_BAR_ID);
            return;
        }
        this.statusBar.setElement(STATUS_BAR_ID, {
            text: '$(eye-closed) Changes show late',
            tooltip: `The server cannot watch all folders of ${[...this.polled].join(' and ')}; some are looked at every few seconds. Its operator can mend this.`,
            alignment: StatusBarAlignment.RIGHT,
            priority: 90
        });
    }
}
