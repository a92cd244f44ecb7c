import type { PluginPolicy, Setting } from 'coditect-shell';

/** What files of plugins are called. */
export const PACKAGE_ENDING = '.coditect-plugin';

const PAGE = '/account/plugins';

/** The address of the plugins of a workspace, or of one of them there. */
export function pluginsAddress(workspace: string | undefined, plugin?: string): string {
    const query = new URLSearchParams();
    if (workspace !== undefined) {
        query.set('workspace', workspace);
    }
    if (plugin !== undefined) {
        query.set('plugin', plugin);
    }
    const asked = query.toString();
    return asked ? `${PAGE}?${asked}` : PAGE;
}

const PART = '[a-z0-9]+(?:-[a-z0-9]+)*';
const NAME = new RegExp(`^${PART}\\.(?:${PART}|\\*)$`);

/** Names of a text, one a line, without doubles. */
export function namesOf(text: string): string[] {
    return [...new Set(text.split('\n').map(line => line.trim()).filter(Boolean))];
}

/** The first of the names that is none: `publisher.name`, or `publisher.*` for all of a publisher. */
export function wrongName(names: readonly string[]): string | undefined {
    return names.find(name => !NAME.test(name));
}

/** What an admin fills in. */
export interface PolicyDraft {
    /** Only those of the list. */
    onlyAllowed: boolean;
    allow: string;
    block: string;
    publish: NonNullable<PluginPolicy['publish']>;
    files: boolean;
    privateHosts: boolean;
}

export function draftOf({ allow, block, publish, files, private_hosts }: PluginPolicy): PolicyDraft {
    return {
        onlyAllowed: allow !== undefined && allow !== null,
        allow: (allow ?? []).join('\n'),
        block: (block ?? []).join('\n'),
        publish: publish ?? 'admins',
        files: files ?? false,
        privateHosts: private_hosts ?? false,
    };
}

export function policyOf({ onlyAllowed, allow, block, publish, files, privateHosts }: PolicyDraft): PluginPolicy {
    return { ...(onlyAllowed ? { allow: namesOf(allow) } : {}), block: namesOf(block), publish, files, private_hosts: privateHosts };
}

/** What stands in a field for the value of a setting, which is JSON. */
export function shownValue({ kind, default: usual }: Setting, value: string | undefined): string {
    if (kind === 'secret') {
        return '';
    }
    try {
        const read: unknown = JSON.parse(value ?? usual);
        return typeof read === 'string' ? read : JSON.stringify(read);
    } catch {
        return '';
    }
}

/** The JSON of what was entered; nothing where it is no value of the setting. */
export function enteredValue({ kind, choices }: Setting, text: string): string | undefined {
    switch (kind) {
        case 'number': return text.trim() !== '' && Number.isFinite(Number(text)) ? JSON.stringify(Number(text)) : undefined;
        case 'boolean': return text === 'true' || text === 'false' ? text : undefined;
        case 'choice': return choices?.includes(text) ? JSON.stringify(text) : undefined;
        default: return JSON.stringify(text);
    }
}
