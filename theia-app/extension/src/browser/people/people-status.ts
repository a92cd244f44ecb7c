import { Command, CommandContribution, CommandRegistry, MessageService, URI } from '@theia/core';
import { FrontendApplicationContribution, OpenerService, open, QuickInputService, StatusBar, StatusBarAlignment } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { fileUri } from '../shell/file-uri';
import { ShellHost } from '../shell/shell-host';
import type { PersonPresent, ShellStatus } from '../shell/shell-types';
import { listed, nameOf, signOf } from './names';
import { PresentPeople } from './present-people';

export const SHOW_PEOPLE: Command = { id: 'coditect.people.show', label: 'Show Who Else Is Here', category: 'Coditect' };

const PEOPLE_ID = 'coditect-people';
const ROLE_ID = 'coditect-role';
/** Signs in the status bar; further people are counted. */
const MAX_SIGNS = 5;

/** Shows in the status bar who else is here and that one may only look, and tells when the workspace is not the person's any more. */
@injectable()
export class PeopleStatus implements FrontendApplicationContribution, CommandContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PresentPeople) protected readonly present: PresentPeople;
    @inject(StatusBar) protected readonly statusBar: StatusBar;
    @inject(QuickInputService) protected readonly quickInput: QuickInputService;
    @inject(OpenerService) protected readonly openers: OpenerService;
    @inject(MessageService) protected readonly messages: MessageService;

    protected role: string | undefined;
    protected isLost = false;

    onStart(): void {
        this.present.onDidChange(() => this.showPeople());
        this.host.onStatus(status => this.showRole(status));
        this.showRole(this.host.status);
    }

    registerCommands(commands: CommandRegistry): void {
        commands.registerCommand(SHOW_PEOPLE, { execute: () => this.choose() });
    }

    protected showPeople(): void {
        const { people } = this.present;
        if (people.length === 0) {
            this.settle(this.statusBar.removeElement(PEOPLE_ID));
            return;
        }
        const signs = people.slice(0, MAX_SIGNS).map(signOf);
        const more = people.length > MAX_SIGNS ? [`+${people.length - MAX_SIGNS}`] : [];
        const names = listed(people.map(nameOf));
        this.settle(this.statusBar.setElement(PEOPLE_ID, {
            alignment: StatusBarAlignment.RIGHT,
            priority: 9_000,
            text: `$(organization) ${[...signs, ...more].join(' ')}`,
            tooltip: people.map(person => `${nameOf(person)}: ${this.placeOf(person)}`).join('\n'),
            command: SHOW_PEOPLE.id,
            accessibilityInformation: { label: `Also here: ${names}` }
        }));
    }

    protected showRole(status: ShellStatus): void {
        const role = status.workspace?.role;
        if (status.connection === 'online' && !status.workspace && !this.isLost) {
            this.isLost = true;
            this.tellLost();
        }
        if (role === undefined || role === this.role) {
            return;
        }
        const was = this.role;
        this.role = role;
        this.isLost = false;
        if (role === 'read') {
            this.settle(this.statusBar.setElement(ROLE_ID, {
                alignment: StatusBarAlignment.LEFT,
                priority: 9_000,
                text: '$(lock) Read only',
                tooltip: `${status.workspace?.owner || 'Its owner'} lets you look at this workspace, and change nothing in it.`,
                accessibilityInformation: { label: 'You may only look at this workspace' }
            }));
        } else {
            this.settle(this.statusBar.removeElement(ROLE_ID));
        }
        if (was !== undefined && (was === 'read' || role === 'read')) {
            this.settle(this.messages.info(role === 'read' ? 'From now on you may only look at this workspace.' : 'From now on you may change this workspace.'));
        }
    }

    protected tellLost(): void {
        const dashboard = 'To the dashboard';
        const text = 'This workspace is not shared with you any more, or was deleted. What you have not saved is still in the editors; copy it before you leave.';
        this.settle(this.messages.error(text, { timeout: 0 }, dashboard).then(choice => {
            if (choice === dashboard) {
                location.assign(this.host.pageUrl('dashboard'));
            }
        }));
    }

    /** Lists them; whoever is chosen leads to the file that they look at. */
    protected async choose(): Promise<void> {
        const items = this.present.people.map(person => ({ label: nameOf(person), description: this.placeOf(person), person }));
        const chosen = await this.quickInput.showQuickPick(items, { placeholder: items.length > 0 ? 'Go to the file that somebody looks at' : 'Nobody else is here' });
        const path = chosen?.person.showing.active ?? chosen?.person.showing.open[0];
        if (path !== undefined) {
            await open(this.openers, fileUri(path));
        }
    }

    protected placeOf({ showing }: PersonPresent): string {
        const path = showing.active ?? showing.open[0];
        if (path === undefined) {
            return 'no file open';
        }
        const below = this.host.rootUri.relative(new URI(fileUri(path).toString()))?.toString() ?? path;
        return showing.unsaved.includes(path) ? `${below} (unsaved changes)` : below;
    }

    protected settle(doing: PromiseLike<unknown>): void {
        doing.then(undefined, error => console.error(error));
    }
}
