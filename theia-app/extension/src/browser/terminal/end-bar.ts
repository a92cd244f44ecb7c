import { Disposable } from '@theia/core';
import type { TerminalEnd } from './terminal-end';

/** What the bar offers. */
export interface EndActions {
    restart(): void;
    close(): void;
}

/** The line below a terminal whose program has ended: what happened, and how to go on. */
export class EndBar implements Disposable {

    protected readonly bar = document.createElement('div');

    constructor(parent: HTMLElement, { text, failed }: TerminalEnd, { restart, close }: EndActions) {
        this.bar.className = `coditect-terminal-end${failed ? ' failed' : ''}`;
        this.bar.setAttribute('role', 'status');
        const message = document.createElement('span');
        message.textContent = text;
        this.bar.append(message, button('Restart', 'Enter', restart), button('Close', 'Ctrl+D', close));
        parent.append(this.bar);
    }

    /** How much of the terminal it covers, in pixels: narrow ones break its text into lines. */
    get height(): number {
        return this.bar.offsetHeight;
    }

    dispose(): void {
        this.bar.remove();
    }
}

function button(label: string, key: string, action: () => void): HTMLButtonElement {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'theia-button secondary';
    button.textContent = label;
    button.title = `${label} (${key})`;
    button.addEventListener('click', action);
    return button;
}
