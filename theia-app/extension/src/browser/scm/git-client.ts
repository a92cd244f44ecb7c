import { MessageService } from '@theia/core';
import { inject, injectable } from '@theia/core/shared/inversify';
import { ShellHost } from '../shell/shell-host';
import { ShellProblem } from '../shell/shell-problem';
import { GitPrompts } from './git-prompts';
import type { GitProgress, GitReply, GitRequest, ReplyName, ReplyOf } from './git-types';

/** How long something runs before its progress is shown, in milliseconds; most of it is done by then. */
const PROGRESS_AFTER_MS = 600;
/** How often one request is tried again after a person did something about its refusal: logged in, or gave a name. */
const MAX_REMEDIES = 4;
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
        const logins: string[] = [];
        for (let tries = 0; ; tries++) {
            try {
                return await this.host.shell.git(repository, request, report, signal);
            } catch (error) {
                const remedy = this.remedyOf(error);
                if (!remedy) {
                    throw error;
                }
                // A login that is wrong from the beginning is not worth keeping.
                for (const id of logins.splice(0)) {
                    await this.host.shell.removeGitCredential(id);
                }
                if (tries === MAX_REMEDIES) {
                    throw error;
                }
                if (!await remedy(repository, logins)) {
                    throw new GivenUp();
                }
            }
        }
    }

    /** What a person can do about a refusal, so that it may be tried again. Logins that this saves are noted. */
    protected remedyOf(error: unknown): ((repository: string, logins: string[]) => Promise<boolean>) | undefined {
        if (!ShellProblem.is(error)) {
            return undefined;
        }
        const { code, subject } = error;
        switch (code) {
            case 'git.auth_needed':
            case 'git.auth_refused': return subject === undefined ? undefined : (_, logins) => this.logIn(subject, code === 'git.auth_refused', logins);
            case 'git.no_identity': return repository => this.introduce(repository);
            default: return undefined;
        }
    }

    protected async logIn(host: string, refused: boolean, logins: string[]): Promise<boolean> {
        const credential = await this.prompts.credential(host, refused);
        if (!credential) {
            return false;
        }
        const { id } = await this.host.shell.addGitCredential({ host, ...credential });
        logins.push(id);
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
                } else if (!/^(fatal|error|hint): /.test(progress.text)) {
                    // Why it fails is told, or asked about, when it has ended.
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
