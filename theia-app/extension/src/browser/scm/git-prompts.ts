import { nls, QuickInputService, QuickPickItem, QuickPickSeparator, QuickPickValue } from '@theia/core';
import { ConfirmDialog } from '@theia/core/lib/browser';
import { inject, injectable } from '@theia/core/shared/inversify';
import { branchNameProblem } from './git-names';

export interface PickEntry<T> {
    readonly label: string;
    readonly description?: string;
    readonly detail?: string;
    readonly value: T;
}

/** A headline between entries. */
export interface PickHeadline {
    readonly headline: string;
}

export interface InputQuestion {
    readonly title: string;
    readonly prompt: string;
    readonly value?: string;
    readonly password?: boolean;
    /** Says what is wrong with the input; `undefined` where nothing is. */
    readonly check?: (value: string) => string | undefined;
}

/** Asks the person. Each answers `undefined` where the person gave up. */
@injectable()
export class GitPrompts {

    @inject(QuickInputService) protected readonly quickInput: QuickInputService;

    async pick<T>(title: string, entries: readonly (PickEntry<T> | PickHeadline)[], placeholder?: string): Promise<T | undefined> {
        const items = entries.map(entry => 'headline' in entry
            ? { type: 'separator', label: entry.headline } satisfies QuickPickSeparator
            : entry satisfies QuickPickItem);
        const picked = await this.quickInput.showQuickPick(items as QuickPickValue<T>[], { title, placeholder, matchOnDescription: true, matchOnDetail: true });
        return picked?.value;
    }

    async input({ title, prompt, value, password, check = notEmpty }: InputQuestion): Promise<string | undefined> {
        const answer = await this.quickInput.input({
            title, prompt, value, password,
            ignoreFocusLost: true,
            validateInput: async text => check(text.trim())
        });
        // Enter takes what is there, also while it is not valid.
        const text = password ? answer : answer?.trim();
        return text === undefined || check(text) !== undefined ? undefined : text;
    }

    branchName(title: string, prompt: string, value?: string): Promise<string | undefined> {
        return this.input({ title, prompt, value, check: branchNameProblem });
    }

    /** Asks before something is lost. */
    async confirm(title: string, message: string, ok: string): Promise<boolean> {
        return await new ConfirmDialog({ title, msg: message, ok, cancel: nls.localizeByDefault('Cancel'), maxWidth: 560 }).open() === true;
    }

    /** A name and a secret for a site, which may have refused those that it was given. */
    async credential(host: string, refused: boolean): Promise<{ username: string, secret: string } | undefined> {
        const title = `Log in to ${host}`;
        const username = await this.input({ title, prompt: refused ? `${host} refused the login. Your name there, once more` : `Your name at ${host}` });
        if (username === undefined) {
            return undefined;
        }
        const secret = await this.input({
            title, password: true, prompt: `A token or the password of ${username} at ${host}. It is kept encrypted for you, and sent there only.`
        });
        return secret === undefined ? undefined : { username, secret };
    }

    /** Who commits. */
    async identity(known?: { name: string, email: string }): Promise<{ name: string, email: string } | undefined> {
        const title = 'Who commits?';
        const name = await this.input({ title, value: known?.name, prompt: 'Your name, as it shall stand in your commits' });
        if (name === undefined) {
            return undefined;
        }
        const check = (text: string): string | undefined => /^\S+@\S+$/.test(text) ? undefined : 'An e-mail address is wanted, as me@example.org.';
        const email = await this.input({ title, value: known?.email, prompt: 'Your e-mail address, as it shall stand in your commits', check });
        return email === undefined ? undefined : { name, email };
    }
}

function notEmpty(text: string): string | undefined {
    return text === '' ? 'Something is wanted here.' : undefined;
}
