import { FrontendApplicationContribution, StatusBar, StatusBarAlignment } from '@theia/core/lib/browser';
import { MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { loginUrl } from '../shell/start-decision';
import type { ShellStatus } from '../shell/shell-types';
import { connectionLabel, connectionNotice, formatMilliseconds } from './connection-text';
import { TOGGLE_CODITECT_VIEW } from './coditect-view-contribution';

const STATUS_BAR_ID = 'coditect-connection';
/** How long the connection may be away before the person is told, in milliseconds; most gaps are shorter. */
const NOTICE_AFTER_MS = 1500;

const STATUS_ICONS: Readonly<Record<ShellStatus['connection'], string>> = {
    online: '$(codicon-pass-filled)',
    connecting: '$(codicon-sync~spin)',
    waiting: '$(codicon-debug-disconnect)',
    closed: '$(codicon-error)',
    idle: '$(codicon-circle-outline)'
};

/** Shows in the status bar how the connection is, and in a strip at the top that it is away; nothing is blocked by it. */
@injectable()
export class ConnectionView implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(StatusBar) protected readonly statusBar: StatusBar;
    @inject(MessageService) protected readonly messages: MessageService;

    protected notice: HTMLElement | undefined;
    protected awaySince: number | undefined;
    protected timer: number | undefined;

    onStart(): void {
        this.host.onStatus(status => this.show(status));
        this.show(this.host.status);
    }

    protected show(status: ShellStatus): void {
        this.showInStatusBar(status);
        const text = connectionNotice(status);
        window.clearTimeout(this.timer);
        if (!text) {
            this.awaySince = undefined;
            this.notice?.remove();
            this.notice = undefined;
            return;
        }
        this.awaySince ??= performance.now();
        const left = status.connection === 'closed' ? 0 : NOTICE_AFTER_MS - (performance.now() - this.awaySince);
        this.timer = window.setTimeout(() => this.showNotice(status, text), Math.max(0, left));
    }

    protected showInStatusBar(status: ShellStatus): void {
        const label = connectionLabel(status);
        this.statusBar.setElement(STATUS_BAR_ID, {
            alignment: StatusBarAlignment.LEFT,
            priority: 10_000,
            text: `${STATUS_ICONS[status.connection]} ${label}`,
            tooltip: status.connection === 'online' ? `Connected; a round trip takes ${formatMilliseconds(status.round_trip_ms)}.` : connectionNotice(status),
            command: TOGGLE_CODITECT_VIEW,
            accessibilityInformation: { label: `Connection: ${label}` }
        }).catch(error => console.error(error));
    }

    protected showNotice(status: ShellStatus, text: string): void {
        if (!this.notice) {
            this.notice = document.createElement('div');
            this.notice.className = 'coditect-notice';
            this.notice.setAttribute('role', 'status');
            document.body.append(this.notice);
        }
        this.notice.replaceChildren(text);
        if (status.connection === 'closed') {
            this.notice.append(this.loginLink(), this.connectButton());
        }
    }

    protected loginLink(): HTMLAnchorElement {
        const link = document.createElement('a');
        link.href = loginUrl(this.host.base, new URL(location.href));
        link.target = '_blank';
        link.rel = 'noopener';
        link.textContent = 'Log in (new tab)';
        return link;
    }

    protected connectButton(): HTMLButtonElement {
        const button = document.createElement('button');
        button.className = 'theia-button';
        button.textContent = 'Connect again';
        button.onclick = () => this.host.reopen().catch(error => this.messages.error(ShellProblem.describe(error)));
        return button;
    }
}
