import { Disposable, Emitter } from '@theia/core';
import { ApplicationConnectionStatusContribution, ConnectionStatus, ConnectionStatusService } from '@theia/core/lib/browser/connection-status-service';
import { inject, injectable, postConstruct } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import type { ShellStatus } from '../shell/shell-types';

/** Tells Theia whether the server is reachable. */
@injectable()
export class ShellConnectionStatus implements ConnectionStatusService {

    @inject(ShellHost) protected readonly host: ShellHost;

    currentStatus = ConnectionStatus.ONLINE;
    protected readonly changeEmitter = new Emitter<ConnectionStatus>();
    readonly onStatusChange = this.changeEmitter.event;

    @postConstruct()
    protected init(): void {
        this.take(this.host.status);
        this.host.onStatus(status => this.take(status));
    }

    protected take(status: ShellStatus): void {
        const next = status.connection === 'online' ? ConnectionStatus.ONLINE : ConnectionStatus.OFFLINE;
        if (next !== this.currentStatus) {
            this.currentStatus = next;
            this.changeEmitter.fire(next);
        }
    }
}

/** Colours the page while the server is away; the words for it are the connection view's. */
@injectable()
export class QuietConnectionContribution extends ApplicationConnectionStatusContribution {

    protected override handleOffline(): void {
        document.body.classList.add('theia-mod-offline');
        this.toDisposeOnOnline.push(Disposable.create(() => document.body.classList.remove('theia-mod-offline')));
    }
}
