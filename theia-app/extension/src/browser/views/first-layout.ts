import { ApplicationShell, FrontendApplication, FrontendApplicationContribution } from '@theia/core/lib/browser';
import { injectable } from '@theia/core/shared/inversify';
import { EXPLORER_VIEW_CONTAINER_ID } from '@theia/navigator/lib/browser/navigator-widget-factory';

/** The chat needs more room than Theia gives the right side at first. */
export const SHELL_OPTIONS: Partial<ApplicationShell.Options> = {
    rightPanel: { ...ApplicationShell.DEFAULT_OPTIONS.rightPanel, initialSizeRatio: 0.3 }
};

/** Shows the files when a workspace is opened for the first time. */
@injectable()
export class FirstLayout implements FrontendApplicationContribution {

    protected first = false;

    /** Called only where no layout is restored. */
    initializeLayout(): void {
        this.first = true;
    }

    /** The start does not wait for it. */
    onDidInitializeLayout({ shell }: FrontendApplication): void {
        if (this.first) {
            shell.revealWidget(EXPLORER_VIEW_CONTAINER_ID).catch(error => console.error(error));
        }
    }
}
