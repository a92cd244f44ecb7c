/** Hands values from callbacks to a `for await` loop, in order. */
export class AsyncQueue<T> implements AsyncIterable<T> {

    protected readonly values: T[] = [];
    protected ended: { readonly error?: unknown } | undefined;
    protected wake: (() => void) | undefined;

    push(value: T): void {
        this.values.push(value);
        this.wake?.();
    }

    end(): void {
        this.ended ??= {};
        this.wake?.();
    }

    fail(error: unknown): void {
        this.ended ??= { error };
        this.wake?.();
    }

    async *[Symbol.asyncIterator](): AsyncIterator<T> {
        for (; ;) {
            while (this.values.length > 0) {
                yield this.values.shift()!;
            }
            if (this.ended) {
                if ('error' in this.ended) {
                    throw this.ended.error;
                }
                return;
            }
            await new Promise<void>(resolve => this.wake = resolve);
        }
    }
}
