import { ContributionProvider, Disposable, Emitter } from '@theia/core';
import { FrontendApplicationContribution } from '@theia/core/lib/browser';
import { inject, injectable, named } from '@theia/core/shared/inversify';
import type { Installed, Offer, PluginNews } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { PluginMessages } from './plugin-messages';
import { PluginSurface } from './plugin-surface';
import { isNewlyBad } from './plugin-words';
import { Registrations } from './registrations';

/** The plugins of the workspace. What they add to the IDE comes and goes with them, without a reload. */
@injectable()
export class PluginList implements FrontendApplicationContribution {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(PluginMessages) protected readonly messages: PluginMessages;
    @inject(ContributionProvider) @named(PluginSurface) protected readonly surfaces: ContributionProvider<PluginSurface>;

    /** Those that the person installed here; nothing is known yet where absent. */
    plugins: readonly Installed[] | undefined;
    /** Why it cannot be known which there are. */
    problem: string | undefined;

    protected readonly changeEmitter = new Emitter<void>();
    readonly onDidChange = this.changeEmitter.event;

    protected readonly registrations = new Registrations(
        offer => this.register(offer),
        (offer, error) => offer ? this.messages.failed(offer.plugin, offer.plugin_title, error) : console.error(error)
    );

    /** The start does not wait for it. */
    onDidInitializeLayout(): void {
        this.host.shell.onPlugins((news: PluginNews) => this.take(news));
    }

    find(id: string): Installed | undefined {
        return this.plugins?.find(({ manifest }) => manifest.id === id);
    }

    titleOf(id: string): string {
        return this.find(id)?.manifest.title ?? id;
    }

    protected take(news: PluginNews): void {
        switch (news.news) {
            case 'notice':
                this.messages.notice(news);
                return;
            case 'unknown':
                this.problem = `${news.problem.message} (${news.problem.code})`;
                break;
            case 'installed':
                this.problem = undefined;
                this.tellBad(news.plugins);
                this.plugins = news.plugins;
                this.registrations.apply(news.changes);
        }
        this.changeEmitter.fire();
    }

    /** What a plugin added is gone when it is not called any more, and what was taken back may do harm: its person learns why. */
    protected tellBad(plugins: readonly Installed[]): void {
        for (const plugin of plugins.filter(plugin => isNewlyBad(plugin, this.find(plugin.manifest.id)))) {
            this.messages.wentBad(plugin.manifest.id, plugin.manifest.title, this.host.shell.stateInWords(plugin).detail);
        }
    }

    protected register(offer: Offer): Disposable {
        const surface = this.surfaces.getContributions().find(({ kind }) => kind === offer.surface.kind);
        return surface?.add(offer) ?? Disposable.NULL;
    }
}
