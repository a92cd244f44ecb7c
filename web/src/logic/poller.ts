/** First wait after a request that failed, in milliseconds; it doubles with each further failure. */
export const RETRY_MS = 1_000;
/** Longest wait after a request that failed, in milliseconds. */
export const RETRY_MAX_MS = 15_000;

export interface PollerOptions<T> {
    load: () => Promise<T>;
    onValue: (value: T) => void;
    /** Answers whether to try again by itself. */
    onError: (error: unknown) => boolean;
    /** How long to wait before the next request, in milliseconds; nothing to wait until asked. */
    pause: (value: T) => number | undefined;
}

/**
 * Keeps a value current: never more than one request at a time, and no answer that was asked for before the latest `refresh` is
 * shown, so that an old answer cannot undo what a person has just done.
 */
export class Poller<T> {
    private timer: ReturnType<typeof setTimeout> | undefined;
    private running = false;
    private again = false;
    private stopped = false;
    private failures = 0;

    constructor(private readonly options: PollerOptions<T>) { }

    /** Asks now, or as soon as the request under way has ended. */
    refresh(): void {
        clearTimeout(this.timer);
        if (this.stopped) {
            return;
        }
        if (this.running) {
            this.again = true;
            return;
        }
        void this.run();
    }

    /** No further request, and no answer of the one under way. */
    stop(): void {
        this.stopped = true;
        clearTimeout(this.timer);
    }

    private async run(): Promise<void> {
        this.running = true;
        let wait: number | undefined;
        do {
            this.again = false;
            wait = await this.once();
        } while (this.again && !this.stopped);
        this.running = false;
        if (wait !== undefined && !this.stopped) {
            this.timer = setTimeout(() => this.refresh(), wait);
        }
    }

    /** One request; answers the wait before the next. */
    private async once(): Promise<number | undefined> {
        try {
            const value = await this.options.load();
            if (this.isStale()) {
                return undefined;
            }
            this.failures = 0;
            this.options.onValue(value);
            return this.options.pause(value);
        } catch (error) {
            if (this.isStale() || !this.options.onError(error)) {
                return undefined;
            }
            this.failures += 1;
            return Math.min(RETRY_MS * 2 ** (this.failures - 1), RETRY_MAX_MS);
        }
    }

    private isStale(): boolean {
        return this.again || this.stopped;
    }
}
