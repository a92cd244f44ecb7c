import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Poller, RETRY_MAX_MS, RETRY_MS } from './poller';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

/** A poller whose requests are answered by hand. */
function poller({ pause = 100, retry = true }: { pause?: number; retry?: boolean } = {}) {
    const asked: { resolve: (value: string) => void; reject: (error: Error) => void }[] = [];
    const shown: string[] = [];
    const made = new Poller<string>({
        load: () => new Promise((resolve, reject) => asked.push({ resolve, reject })),
        onValue: value => shown.push(value),
        onError: error => { shown.push(`! ${(error as Error).message}`); return retry; },
        pause: () => pause || undefined,
    });
    const answer = async (index: number, value: string) => { asked[index]?.resolve(value); await vi.advanceTimersByTimeAsync(0); };
    const refuse = async (index: number) => { asked[index]?.reject(new Error('no')); await vi.advanceTimersByTimeAsync(0); };
    return { made, asked, shown, answer, refuse };
}

test('a slow answer holds the next request back', async () => {
    const { made, asked, shown, answer } = poller();
    made.refresh();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked).toHaveLength(1);
    await answer(0, 'a');
    expect(shown).toEqual(['a']);
    await vi.advanceTimersByTimeAsync(99);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
});

test('an answer asked for before the latest refresh is not shown', async () => {
    const { made, asked, shown, answer } = poller();
    made.refresh();
    made.refresh();
    made.refresh();
    expect(asked).toHaveLength(1);
    await answer(0, 'old');
    expect(shown).toEqual([]);
    expect(asked).toHaveLength(2);
    await answer(1, 'new');
    expect(shown).toEqual(['new']);
});

test('a refresh while waiting takes the place of the next request', async () => {
    const { made, asked, answer } = poller();
    made.refresh();
    await answer(0, 'a');
    made.refresh();
    await vi.advanceTimersByTimeAsync(1_000);
    expect(asked).toHaveLength(2);
});

test('nothing is asked where nothing changes by itself', async () => {
    const { made, asked, answer } = poller({ pause: 0 });
    made.refresh();
    await answer(0, 'a');
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(asked).toHaveLength(1);
});

test('failures are tried again, ever more slowly, and forgotten by a success', async () => {
    const { made, asked, refuse, answer } = poller();
    made.refresh();
    const waits: number[] = [];
    for (let index = 0; index < 7; index += 1) {
        await refuse(index);
        let waited = 0;
        while (asked.length === index + 1) {
            await vi.advanceTimersByTimeAsync(500);
            waited += 500;
        }
        waits.push(waited);
    }
    expect(waits).toEqual([RETRY_MS, 2_000, 4_000, 8_000, RETRY_MAX_MS, RETRY_MAX_MS, RETRY_MAX_MS]);
    await answer(7, 'a');
    await vi.advanceTimersByTimeAsync(100);
    await refuse(8);
    await vi.advanceTimersByTimeAsync(RETRY_MS);
    expect(asked).toHaveLength(10);
});

test('a failure that is final is not tried again', async () => {
    const { made, asked, shown, refuse } = poller({ retry: false });
    made.refresh();
    await refuse(0);
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(asked).toHaveLength(1);
    expect(shown).toEqual(['! no']);
});

test('nothing comes after the stop', async () => {
    const { made, asked, shown, answer } = poller();
    made.refresh();
    made.stop();
    await answer(0, 'a');
    made.refresh();
    await vi.advanceTimersByTimeAsync(1_000_000);
    expect(shown).toEqual([]);
    expect(asked).toHaveLength(1);
});
