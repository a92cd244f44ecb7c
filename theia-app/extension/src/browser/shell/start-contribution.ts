import { PreloadContribution } from '@theia/core/lib/browser/preload/preloader';
import { inject, injectable } from '@theia/core/shared/inversify';
import { decideStart } from './start-decision';
import { ShellHost } from './shell-host';
import { ShellProblem } from './shell-problem';
import { StartPage } from './start-page';
import type { WorkspaceInfo } from './shell-types';

/** How often a workspace that is still being prepared is looked at, in milliseconds. */
const PREPARING_POLL_MS = 1000;

/** Gates the start of the IDE: it goes on only with a session and an open workspace, else the person is led elsewhere. */
@injectable()
export class StartContribution implements PreloadContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(StartPage) protected readonly page: StartPage;

    /** Never rejects: Theia would start without a shell. Where it must not start, the promise stays open. */
    async initialize(): Promise<void> {
        try {
            if (await this.enter()) {
                return;
            }
        } catch (error) {
            console.error(error);
            // A workspace that is not there for this person will not be there a moment later either.
            const again = ShellProblem.hasKind(error, 'not_found') ? [] : [{ label: 'Try again', url: location.href }];
            this.page.refuse(ShellProblem.describe(error), [...again, { label: 'Back to the dashboard', url: this.host.pageUrl('dashboard') }]);
        }
        await new Promise<never>(() => undefined);
    }

    protected async enter(): Promise<boolean> {
        const session = await this.host.start();
        const id = new URL(location.href).searchParams.get('workspace') ?? undefined;
        for (; ;) {
            const workspace = session && id ? await this.lookUp(id) : undefined;
            const decision = decideStart({ base: this.host.base, page: new URL(location.href), session, workspace });
            switch (decision.type) {
                case 'open':
                    await this.host.open(id!);
                    return true;
                case 'go':
                    location.replace(decision.url);
                    return false;
                case 'refuse':
                    this.page.refuse(decision.message, [{ label: 'Back to the dashboard', url: this.host.pageUrl('dashboard') }]);
                    return false;
                case 'wait':
                    this.page.tell(decision.message);
                    await new Promise(resolve => setTimeout(resolve, PREPARING_POLL_MS));
            }
        }
    }

    protected lookUp(id: string): Promise<WorkspaceInfo> {
        return this.host.shell.getWorkspace(id);
    }
}
