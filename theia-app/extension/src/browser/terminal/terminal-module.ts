import '../../../resources/terminal.css';
import { CommandContribution, MenuContribution } from '@theia/core';
import { LocalConnectionProvider, RemoteConnectionProvider } from '@theia/core/lib/browser/messaging/service-connection-provider';
import { PreferenceContribution } from '@theia/core/lib/common/preferences';
import { interfaces } from '@theia/core/shared/inversify';
import { TerminalWidget } from '@theia/terminal/lib/browser/base/terminal-widget';
import { TerminalFrontendContribution } from '@theia/terminal/lib/browser/terminal-frontend-contribution';
import { ContributedTerminalProfileStore, TerminalProfileService, TerminalProfileStore, UserTerminalProfileStore } from '@theia/terminal/lib/browser/terminal-profile-service';
import { ShellTerminalServerProxy } from '@theia/terminal/lib/common/shell-terminal-protocol';
import { LenientProfileService } from './lenient-profile-service';
import { ServerTerminalContribution } from './server-terminal-contribution';
import { ServerTerminalWidget } from './server-terminal-widget';
import { ShellTerminalServer } from './shell-terminal-server';
import { TerminalCommandContribution } from './terminal-commands';
import { TerminalConnectionProvider } from './terminal-connection-provider';
import { createTerminalDrawn, TerminalDrawn } from './terminal-drawn';
import { bindTerminalLinks } from './terminal-links';
import { terminalPreferences } from './terminal-preferences';

/** Terminals that live on the server. */
export function bindTerminals(bind: interfaces.Bind, rebind: interfaces.Rebind): void {
    bind(TerminalDrawn).toDynamicValue(createTerminalDrawn).inSingletonScope();
    bind(ShellTerminalServer).toSelf().inSingletonScope();
    rebind(ShellTerminalServerProxy).toService(ShellTerminalServer);
    bind(TerminalConnectionProvider).toSelf().inSingletonScope();
    rebind(RemoteConnectionProvider).toService(TerminalConnectionProvider);
    rebind(LocalConnectionProvider).toService(TerminalConnectionProvider);
    rebind(TerminalWidget).to(ServerTerminalWidget).inTransientScope();
    rebind(TerminalFrontendContribution).to(ServerTerminalContribution).inSingletonScope();
    rebind(TerminalProfileService).toDynamicValue(({ container }) => new LenientProfileService(
        container.get<TerminalProfileStore>(UserTerminalProfileStore), container.get<TerminalProfileStore>(ContributedTerminalProfileStore)
    )).inSingletonScope();
    bind(TerminalCommandContribution).toSelf().inSingletonScope();
    bind(CommandContribution).toService(TerminalCommandContribution);
    bind(MenuContribution).toService(TerminalCommandContribution);
    bind(PreferenceContribution).toConstantValue({ schema: terminalPreferences });
    bindTerminalLinks(rebind);
}
