import { FrontendOnlyServiceConnectionProvider } from '@theia/core/lib/browser-only/messaging/frontend-only-service-connection-provider';
import { ServiceConnectionProvider } from '@theia/core/lib/browser/messaging/service-connection-provider';
import { inject, injectable } from '@theia/core/shared/inversify';
import { terminalsPath } from '@theia/terminal/lib/common/terminal-protocol';
import { TerminalChannel } from './terminal-channel';
import { ShellTerminalServer } from './shell-terminal-server';

/**
 * The one thing that Theia still asks a backend connection for: the data of a terminal. Every service has its own implementation,
 * bound in the module; a service that nobody binds rejects at once.
 */
@injectable()
export class TerminalConnectionProvider extends FrontendOnlyServiceConnectionProvider {

    @inject(ShellTerminalServer) protected readonly terminals: ShellTerminalServer;

    override listen(path: string, handler: ServiceConnectionProvider.ConnectionHandler, reconnect: boolean): void {
        const id = path.startsWith(`${terminalsPath}/`) ? Number(path.slice(terminalsPath.length + 1)) : NaN;
        if (!Number.isInteger(id)) {
            super.listen(path, handler, reconnect);
            return;
        }
        const channel = new TerminalChannel();
        handler(path, channel);
        this.terminals.connect(id, channel);
    }
}
