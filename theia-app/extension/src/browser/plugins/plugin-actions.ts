import { MessageService } from '@theia/core';
import { ConfirmDialog } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import type { CapabilityName, Installed, PackageSource, Review, SettingsChange } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { ConsentDialog } from './consent-dialog';
import { PluginList } from './plugin-list';
import { plainText } from './plugin-words';

/** What files of plugins are called. */
const EXTENSION = '.coditect-plugin';

/** What people do about plugins. What comes of it is told by the list. */
@injectable()
export class PluginActions {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginList) protected readonly list: PluginList;
    @inject(MessageService) protected readonly messages: MessageService;

    /** Installs from the registry, or takes another version. */
    install(id: string, version?: string): Promise<void> {
        const source: PackageSource = { source: 'registry', id, version };
        return this.attempt(async () => this.agree(await this.host.shell.reviewPlugin(this.workspace, source), source));
    }

    /** Installs from a file of the person's computer. */
    async installFile(): Promise<void> {
        const file = await chooseFile();
        if (file) {
            await this.attempt(async () => {
                const review = await this.host.shell.reviewPluginFile(this.workspace, file);
                await this.agree(review, { source: 'file', sha256: review.sha256 });
            });
        }
    }

    /** Takes a version that asks for more. */
    update({ manifest, update }: Installed): Promise<void> {
        return this.attempt(async () => update ? this.agree(update, { source: 'registry', id: manifest.id, version: update.manifest.version }) : undefined);
    }

    change(id: string, change: SettingsChange): Promise<void> {
        return this.attempt(async () => {
            await this.host.shell.changePlugin(this.workspace, id, change);
        });
    }

    /** What is revoked is gone at once, also for what is under way. */
    grant({ manifest, granted }: Installed, name: CapabilityName, on: boolean): Promise<void> {
        return this.change(manifest.id, { granted: on ? [...granted, name] : granted.filter(other => other !== name) });
    }

    async uninstall({ manifest }: Installed): Promise<void> {
        const sure = await new ConfirmDialog({
            title: `Uninstall “${manifest.title}”?`,
            msg: 'What it kept in this workspace, its settings and what you granted are deleted. Files that it wrote stay.',
            ok: 'Uninstall'
        }).open();
        if (sure) {
            await this.attempt(() => this.host.shell.uninstallPlugin(this.workspace, manifest.id));
        }
    }

    protected get workspace(): string {
        return this.host.workspace.id;
    }

    protected async agree(review: Review, source: PackageSource): Promise<void> {
        const consent = this.host.shell.consentInWords(review, this.list.find(review.manifest.id));
        const grant = await new ConsentDialog(consent).open();
        if (grant) {
            await this.host.shell.installPlugin({ workspace: this.workspace, consent: review.consent, grant, ...source });
        }
    }

    async attempt(work: () => Promise<void>): Promise<void> {
        try {
            await work();
        } catch (error) {
            this.messages.error(plainText(ShellProblem.describe(error)));
        }
    }
}

function chooseFile(): Promise<File | undefined> {
    return new Promise(resolve => {
        const input = document.createElement('input');
        input.type = 'file';
        input.accept = EXTENSION;
        input.onchange = () => resolve(input.files?.[0]);
        input.oncancel = () => resolve(undefined);
        input.click();
    });
}
