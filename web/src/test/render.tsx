import { act, type ReactNode } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach } from 'vitest';

(globalThis as { IS_REACT_ACT_ENVIRONMENT?: boolean }).IS_REACT_ACT_ENVIRONMENT = true;

let root: Root | undefined;
afterEach(async () => {
    await act(() => root?.unmount());
    root = undefined;
    document.body.replaceChildren();
});

/** Draws something into the page. */
export async function render(node: ReactNode): Promise<void> {
    if (!root) {
        const place = document.createElement('div');
        document.body.append(place);
        root = createRoot(place);
    }
    await act(() => root?.render(node));
}

/** Does something and lets everything that follows from it happen. */
export async function doing(what: () => unknown): Promise<void> {
    await act(async () => {
        what();
        // Timers of React and answers of mocks that are there already.
        for (let turn = 0; turn < 5; turn += 1) {
            await Promise.resolve();
        }
    });
}

/** The one element that a selector names. */
export function one<T extends HTMLElement = HTMLElement>(selector: string): T {
    const found = document.querySelectorAll<T>(selector);
    if (found.length !== 1 || !found[0]) {
        throw new Error(`${found.length} elements are ${selector} in ${document.body.innerHTML}`);
    }
    return found[0];
}

/** The one button or link with this name. */
export function named<T extends HTMLElement = HTMLButtonElement>(name: string): T {
    const found = [...document.querySelectorAll<T>('button, a')].filter(element => (element.ariaLabel ?? element.getAttribute('aria-label') ?? element.textContent) === name);
    if (found.length !== 1 || !found[0]) {
        throw new Error(`${found.length} are named ${name} in ${document.body.innerHTML}`);
    }
    return found[0];
}

/** Types into a field, as React notices it. */
export function fill(selector: string, value: string): Promise<void> {
    return doing(() => {
        const input = one<HTMLInputElement>(selector);
        Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value')?.set?.call(input, value);
        input.dispatchEvent(new Event('input', { bubbles: true }));
    });
}

export const press = (key: string) => doing(() => document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true })));

/** An answer to be given later. */
export function later<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
    let resolve: (value: T) => void = () => undefined;
    let reject: (error: unknown) => void = () => undefined;
    const promise = new Promise<T>((yes, no) => { resolve = yes; reject = no; });
    return { promise, resolve, reject };
}
