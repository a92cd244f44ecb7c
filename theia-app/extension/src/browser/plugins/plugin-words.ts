import type { Installed, PluginNews } from 'coditect-shell';

type Notice = Extract<PluginNews, { news: 'notice' }>;

/** Longest message of a plugin that is shown at once, in characters. */
const MAX_MESSAGE = 500;

/** Theia takes messages for Markdown, in which a link may run a command. What a plugin says is text and nothing else. */
export function plainText(text: string): string {
    const short = text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)} …` : text;
    return short.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]()#+\-.!<>|~&:@$"']/g, '\\$&');
}

/** What a plugin tells, marked as its own. */
export function noticeText({ title, text, withheld }: Notice): string {
    return `${plainText(title)} (plugin): ${plainText(text)}${more(withheld)}`;
}

/** That some messages of a plugin were not shown. */
export function more(withheld: number): string {
    return withheld === 0 ? '' : ` — and ${withheld} more ${withheld === 1 ? 'message' : 'messages'}, in its log`;
}

/** Whether a plugin is not called any more, or its version was taken back, since it was looked at last. One that failed earlier is no news, but what was taken back meanwhile is. */
export function isNewlyBad(now: Installed, before: Installed | undefined): boolean {
    const gaveUp = now.state === 'failed' && before !== undefined && before.state !== 'failed';
    return gaveUp || (now.taken_back === true && before?.taken_back !== true);
}

/** The id of a plugin's command among all commands. */
export function commandId(plugin: string, command: string): string {
    return `coditect-plugin:${plugin}/${command}`;
}
