import { PreloadContribution } from '@theia/core/lib/browser/preload/preloader';
import { OS, OSBackendProvider } from '@theia/core/lib/common/os';
import { ContainerModule } from '@theia/core/shared/inversify';
import { ShellHost } from './shell/shell-host';
import { StartContribution } from './shell/start-contribution';
import { StartPage } from './shell/start-page';

/** Runs before the IDE is put together: starts the shell and opens the workspace. */
export default new ContainerModule((bind, _unbind, _isBound, rebind) => {
    bind(ShellHost).toSelf().inSingletonScope();
    bind(StartPage).toSelf().inSingletonScope();
    bind(StartContribution).toSelf().inSingletonScope();
    bind(PreloadContribution).toService(StartContribution);
    // Line ends, shells and paths are those of the server, whatever the browser runs on.
    rebind(OSBackendProvider).toConstantValue({ getBackendOS: async () => OS.Type.Linux });
});
