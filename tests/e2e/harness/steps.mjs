// Steps of people at their pages, which build on each other.
import { test } from 'node:test';
import { picture } from './browser.mjs';

/** Longest part of a step's name in that of its picture, in characters. */
const PICTURE_NAME_CHARS = 60;
/** Longest step that does not say how long it is, in milliseconds. The limit that node is started with counts for a file as a whole. */
const STEP_MS = 600_000;

/**
 * Makes steps after which nothing may have gone wrong unseen: `pages` gives those of a step, each with its `page`, `faults` and, where the
 * IDE is in it, `ide`. One that fails leaves a picture of each, and `failed` tidies up; `always` is done after every step.
 */
export function steps(kind, pages, { failed, always, skip = false } = {}) {
    return (name, run, options = {}) => test(name, { skip, timeout: STEP_MS, ...options }, async () => {
        try {
            await run();
            for (const { ide, faults } of pages()) {
                // What fails a moment later is seen by the next step, or by the last one.
                await ide?.settled();
                faults.assertNone();
            }
        } catch (error) {
            for (const [number, { page, faults }] of pages().entries()) {
                const title = name.replaceAll(/\W+/g, '-').slice(0, PICTURE_NAME_CHARS);
                await picture(page, `failed-${kind}-${number + 1}-${title}`).catch(() => undefined);
                faults.errors.length = faults.console.length = 0;
            }
            await failed?.();
            throw error;
        } finally { await always?.(); }
    });
}
