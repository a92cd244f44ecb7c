import { AbstractDialog, Dialog } from '@theia/core/lib/browser';

export interface Choice<T> {
    readonly label: string;
    readonly value: T;
}

/** Asks which of several ways to go on. Leaving it open-ended, by Escape, the cross or the button `leave`, answers `undefined` and does nothing. */
export class ChoiceDialog<T> extends AbstractDialog<T | undefined> {

    protected chosen: T | undefined;

    /** The last choice is the one that Enter takes; it should be the one that loses nothing. */
    constructor(title: string, text: string, choices: readonly Choice<T>[], leave = Dialog.CANCEL) {
        super({ title, maxWidth: 560, wordWrap: 'break-word' });
        const message = document.createElement('div');
        message.textContent = text;
        this.contentNode.appendChild(message);
        this.appendCloseButton(leave);
        choices.forEach((choice, index) => this.appendChoice(choice, index === choices.length - 1));
    }

    get value(): T | undefined {
        return this.chosen;
    }

    protected appendChoice({ label, value }: Choice<T>, primary: boolean): void {
        const button = this.appendButton(label, primary);
        button.addEventListener('click', () => {
            this.chosen = value;
            this.accept();
        });
        if (primary) {
            // The one that has the focus at first. Enter on any button is that button's click.
            this.acceptButton = button;
        }
    }

    protected override addAcceptAction(): void {
        // Each choice brings its own.
    }

    protected override handleEnter(): boolean {
        return false;
    }
}
