import { CommandRegistry, Disposable, DisposableCollection, MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { BuildReportDialog } from './build-report-dialog';
import { OutcomeOf, PluginCalls } from './plugin-calls';
import { PluginFindings } from './plugin-checks';
import { PluginMessages } from './plugin-messages';
import { OfferOf, PluginSurface } from './plugin-surface';
import { commandId, plainText } from './plugin-words';

const SHOW_REPORT = 'Show the report';

/** Steps of builds of plugins, in the palette. What they find stands among the problems until the next run. */
@injectable()
export class PluginBuildSteps implements PluginSurface<'build_step'> {

    readonly kind = 'build_step';

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(CommandRegistry) protected readonly commands: CommandRegistry;
    @inject(PluginCalls) protected readonly calls: PluginCalls;
    @inject(PluginFindings) protected readonly findings: PluginFindings;
    @inject(PluginMessages) protected readonly messages: PluginMessages;
    @inject(MessageService) protected readonly theia: MessageService;

    add(offer: OfferOf<'build_step'>): Disposable {
        const { plugin, plugin_title, surface: { id, title } } = offer;
        const command = { id: commandId(plugin, `step/${id}`), category: plugin_title, label: `Run Step: ${title}` };
        return new DisposableCollection(
            this.commands.registerCommand(command, { execute: () => this.run(offer) }),
            Disposable.create(() => this.findings.clearAll(ownerOf(offer)))
        );
    }

    protected async run(offer: OfferOf<'build_step'>): Promise<void> {
        const { plugin, plugin_title, surface: { id, title } } = offer;
        try {
            const report = await this.calls.run(plugin, title, { call: 'build_step', step: id, arguments: '{}' }, 'report');
            this.findings.show(ownerOf(offer), plugin_title, this.host.rootUri.path.toString(), report.findings);
            await this.tell(offer, report);
        } catch (error) {
            this.messages.failed(plugin, plugin_title, error);
        }
    }

    protected async tell({ plugin_title, surface: { title } }: OfferOf<'build_step'>, { passed, summary, details }: OutcomeOf<'report'>): Promise<void> {
        const text = plainText(`${plugin_title}: ${title} ${passed ? 'passed' : 'failed'}. ${summary}`);
        const actions = details ? [SHOW_REPORT] : [];
        const choice = await (passed ? this.theia.info(text, ...actions) : this.theia.warn(text, ...actions));
        if (choice === SHOW_REPORT) {
            await new BuildReportDialog({ title, passed, summary, details: this.host.shell.readMarkdown(details) }).open();
        }
    }
}

function ownerOf({ plugin, surface: { id } }: OfferOf<'build_step'>): string {
    return `plugin:${plugin}/step/${id}`;
}
