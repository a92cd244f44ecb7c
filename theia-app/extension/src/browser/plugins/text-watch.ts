interface Disposable {
    dispose(): void;
}

/** As much of the editor's models as is needed here. */
export interface WatchedText {
    isAttachedToEditor(): boolean;
    onDidChangeContent(listener: () => void): Disposable;
    onDidChangeLanguage(listener: () => void): Disposable;
    onDidChangeAttached(listener: () => void): Disposable;
    onWillDispose(listener: () => void): Disposable;
}

/** How long nothing is typed before a text is looked at, in milliseconds. */
export const QUIET_MS = 500;

/** Looks at a text when it is shown, and again whenever it was quiet after a change. What is asked for an older text is given up. */
export class TextWatch implements Disposable {

    protected timer: ReturnType<typeof setTimeout> | undefined;
    protected running: AbortController | undefined;
    protected readonly listeners: readonly Disposable[];

    constructor(
        protected readonly text: WatchedText,
        protected readonly look: (signal: AbortSignal) => Promise<void>,
        protected readonly leave: () => void
    ) {
        this.listeners = [
            text.onDidChangeContent(() => this.soon()),
            text.onDidChangeLanguage(() => this.soon()),
            text.onDidChangeAttached(() => this.text.isAttachedToEditor() ? this.soon() : this.stop()),
            text.onWillDispose(() => this.stop())
        ];
        if (text.isAttachedToEditor()) {
            this.soon();
        }
    }

    dispose(): void {
        this.listeners.forEach(listener => listener.dispose());
        this.stop();
    }

    protected soon(): void {
        this.running?.abort();
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.now(), QUIET_MS);
    }

    protected now(): void {
        if (!this.text.isAttachedToEditor()) {
            return;
        }
        const controller = new AbortController();
        this.running = controller;
        // Who looks reports its own failure.
        this.look(controller.signal).catch(() => undefined);
    }

    protected stop(): void {
        this.running?.abort();
        clearTimeout(this.timer);
        this.leave();
    }
}
