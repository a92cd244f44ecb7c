import { PreloadContribution } from '@theia/core/lib/browser/preload/preloader';
import { ContainerModule } from '@theia/core/shared/inversify';
import { ShellHost } from './shell/shell-host';
import { StartContribution } from './shell/start-contribution';
import { StartPage } from './shell/start-page';

/** Runs before the IDE is put together: starts the shell and opens the workspace. */
export default new ContainerModule(bind => {
    bind(ShellHost).toSelf().inSingletonScope();
    bind(StartPage).toSelf().inSingletonScope();
    bind(StartContribution).toSelf().inSingletonScope();
    bind(PreloadContribution).toService(StartContribution);
});
