import { CommandService, MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import type { PluginNews } from 'coditect-shell';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { more, noticeText, plainText } from './plugin-words';

/** Shows the page of a plugin. */
export const SHOW_PLUGIN = { id: 'coditect:show-plugin' };
const SHOW = 'Show the plugin';

/** Tells the person what plugins say, and what becomes of them: once, and never in floods. */
@injectable()
export class PluginMessages {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(MessageService) protected readonly messages: MessageService;
    @inject(CommandService) protected readonly commands: CommandService;

    /** What a plugin tells unasked. The shell has kept floods back. */
    notice(notice: Extract<PluginNews, { news: 'notice' }>): void {
        const text = noticeText(notice);
        switch (notice.severity) {
            case 'error': this.offer(notice.plugin, this.messages.error(text, SHOW)); break;
            case 'warning': this.offer(notice.plugin, this.messages.warn(text, SHOW)); break;
            default: this.offer(notice.plugin, this.messages.info(text, SHOW));
        }
    }

    /** What a plugin answered to what the person did. */
    answer(title: string, text: string): void {
        this.messages.info(`${plainText(title)}: ${plainText(text)}`);
    }

    /** Why a plugin did not do it. Whoever gave up knows. */
    failed(plugin: string, title: string, error: unknown): void {
        if (ShellProblem.hasKind(error, 'cancelled')) {
            return;
        }
        if (!ShellProblem.is(error)) {
            console.error(error);
        }
        this.warn(plugin, title, ShellProblem.describe(error));
    }

    /** Something that did not go as it should. */
    warn(plugin: string, title: string, text: string): void {
        const withheld = this.host.shell.admitPluginMessage(plugin, text);
        if (withheld !== undefined) {
            this.offer(plugin, this.messages.warn(`${plainText(title)} (plugin): ${plainText(text)}${more(withheld)}`, SHOW));
        }
    }

    /** That a plugin was given up, or taken back: it comes once, and is never kept back. */
    wentBad(plugin: string, title: string, text: string): void {
        this.offer(plugin, this.messages.error(`${plainText(title)} (plugin): ${plainText(text)}`, SHOW));
    }

    protected offer(plugin: string, shown: Promise<string | undefined>): void {
        shown.then(choice => choice === SHOW ? this.commands.executeCommand(SHOW_PLUGIN.id, plugin) : undefined).catch(error => console.error(error));
    }
}
