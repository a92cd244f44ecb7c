import { MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { GitPrompts } from './git-prompts';
import type { GitProgress, GitReply, GitRequest, ReplyName, ReplyOf } from './git-types';

/** How long something runs before its progress is shown, in milliseconds; most of it is done by then. */
const PROGRESS_AFTER_MS = 600;
/** How often a person may try to log in to a site for one request. */
const MAX_LOGINS = 3;
/** Longest line of a hook that is shown as progress, in characters. */
const MAX_PROGRESS_LINE = 120;

/** Asks repositories for something, by the absolute path of their folder. */
@injectable()
export class GitClient {

    @inject(ShellHost) protected readonly host: ShellHost;
    @inject(GitPrompts) protected readonly prompts: GitPrompts;
    @inject(MessageService) protected readonly messages: MessageService;

    /** Asks for something that is only read; shows nothing. */
    async ask<N extends ReplyName>(repository: string, request: GitRequest, name: N, signal?: AbortSignal): Promise<ReplyOf<N>> {
        return valueOf(await this.host.shell.git(repository, request, undefined, signal), name);
    }

    /**
     * Runs what a person started: with its progress and a way to cancel it, asking for a login or a name where git needs one. Rejects
     * with kind `cancelled` where the person gave up.
     */
    async run(repository: string, title: string, request: GitRequest): Promise<GitReply> {
        const controller = new AbortController();
        const shown = this.showProgress(title, controller);
        try {
            return await this.runRemedied(repository, request, shown.report, controller.signal);
        } finally {
            shown.end();
        }
    }

    protected async runRemedied(repository: string, request: GitRequest, report: (progress: GitProgress) => void, signal: AbortSignal): Promise<GitReply> {
        for (let logins = 0; ; logins++) {
            try {
                return await this.host.shell.git(repository, request, report, signal);
            } catch (error) {
                const remedy = logins < MAX_LOGINS ? this.remedyOf(error) : undefined;
                if (!remedy) {
                    throw error;
                }
                if (!await remedy(repository)) {
                    throw new GivenUp();
                }
            }
        }
    }

    /** What a person can do about a refusal, so that it may be tried again. */
    protected remedyOf(error: unknown): ((repository: string) => Promise<boolean>) | undefined {
        if (!ShellProblem.is(error)) {
            return undefined;
        }
        switch (error.code) {
            case 'git.auth_needed': return () => this.logIn(error);
            case 'git.no_identity': return repository => this.introduce(repository);
            default: return undefined;
        }
    }

    /** The refusal begins with the site that wants the login. */
    protected async logIn({ message }: ShellProblem): Promise<boolean> {
        const host = message.split(' ', 1)[0];
        const credential = await this.prompts.credential(host);
        if (!credential) {
            return false;
        }
        await this.host.shell.addGitCredential({ host, ...credential });
        return true;
    }

    protected async introduce(repository: string): Promise<boolean> {
        const identity = await this.prompts.identity();
        if (!identity) {
            return false;
        }
        await this.host.shell.git(repository, { set_identity: { identity, local: false } }, undefined);
        return true;
    }

    protected showProgress(title: string, controller: AbortController): { report: (progress: GitProgress) => void, end: () => void } {
        let last = '';
        let percent = 0;
        let ended = false;
        let tell: (() => void) | undefined;
        let cancel: (() => void) | undefined;
        const timer = window.setTimeout(async () => {
            const progress = await this.messages.showProgress({ text: title, options: { cancelable: true } }, () => controller.abort());
            tell = () => progress.report({ message: last, work: { done: percent, total: 100 } });
            cancel = () => progress.cancel();
            if (ended) {
                cancel();
            } else {
                tell();
            }
        }, PROGRESS_AFTER_MS);
        return {
            report: progress => {
                if (progress.type === 'step') {
                    last = progress.step;
                    percent = progress.percent ?? percent;
                } else {
                    last = progress.text.slice(0, MAX_PROGRESS_LINE);
                }
                tell?.();
            },
            end: () => {
                ended = true;
                window.clearTimeout(timer);
                cancel?.();
            }
        };
    }
}

/** The person gave up where something was asked. Has the shape of the shell's own cancellation, which nobody is told of. */
export class GivenUp extends Error implements ShellProblem {
    readonly code = 'call.cancelled';
    readonly kind = 'cancelled';

    constructor() {
        super('Cancelled.');
    }
}

/** What a reply carries. */
export function valueOf<N extends ReplyName>(reply: GitReply, name: N): ReplyOf<N> {
    if (typeof reply === 'object' && name in reply) {
        return (reply as unknown as Record<N, ReplyOf<N>>)[name];
    }
    throw new Error(`Git answered something else than “${name}”.`);
}
