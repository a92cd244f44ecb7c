/** Runs a piece of work when asked, never twice at once: who asks while it runs gets one more run after it. */
export class CoalescingTask {

    protected running: Promise<void> | undefined;
    protected next: Promise<void> | undefined;
    protected timer: ReturnType<typeof setTimeout> | undefined;
    /** When a run that waits for quiet has to start at the latest, in milliseconds on the clock of `performance`. */
    protected deadline = 0;

    constructor(
        protected readonly work: () => Promise<void>,
        /** How long it must be quiet before a run that was only announced, in milliseconds. */
        protected readonly quietMs: number,
        /** Longest that such a run is put off by more announcements, in milliseconds. */
        protected readonly longestMs: number
    ) { }

    /** Announces that a run is due once it is quiet. */
    soon(): void {
        const now = performance.now();
        if (this.timer === undefined) {
            this.deadline = now + this.longestMs;
        }
        clearTimeout(this.timer);
        this.timer = setTimeout(() => {
            // Who works reports its own failure.
            this.now().catch(() => undefined);
        }, Math.min(this.quietMs, Math.max(0, this.deadline - now)));
    }

    /** Settles as a run does that began after this was called. */
    now(): Promise<void> {
        clearTimeout(this.timer);
        this.timer = undefined;
        if (!this.running) {
            this.running = this.work().finally(() => this.running = undefined);
            return this.running;
        }
        this.next ??= this.running.catch(() => undefined).then(() => {
            this.next = undefined;
            return this.now();
        });
        return this.next;
    }

    cancel(): void {
        clearTimeout(this.timer);
        this.timer = undefined;
    }
}
