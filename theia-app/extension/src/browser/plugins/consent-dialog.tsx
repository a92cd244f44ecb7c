import { Dialog } from '@theia/core/lib/browser';
import { ReactDialog } from '@theia/core/lib/browser/dialogs/react-dialog';
import { Message } from '@theia/core/shared/@lumino/messaging';
import * as React from '@theia/core/shared/react';
import type { CapabilityName, Consent } from 'coditect-shell';
import { Rights } from './rights';

/** Asks a person what a plugin may do before it is installed. Answers what they grant; leaving it grants and installs nothing. */
export class ConsentDialog extends ReactDialog<CapabilityName[] | undefined> {

    protected readonly granted: Set<CapabilityName>;

    constructor(protected readonly consent: Consent) {
        super({ title: consent.title, maxWidth: 640 });
        this.addClass('plugin-consent');
        this.granted = new Set(consent.rights.map(({ name }) => name));
        this.appendCloseButton(Dialog.CANCEL);
        this.appendAcceptButton(consent.agree);
    }

    get value(): CapabilityName[] {
        return [...this.granted];
    }

    /** Whoever goes on with the keys agrees to nothing before they went there. */
    protected override onActivateRequest(message: Message): void {
        super.onActivateRequest(message);
        this.closeButton?.focus();
    }

    protected override handleEnter(): boolean {
        return false;
    }

    protected override addAcceptAction<K extends keyof HTMLElementEventMap>(element: HTMLElement, ...additional: K[]): void {
        // Enter on a switch is not yet consent to all of it.
        this.addAction(element, () => this.accept(), 'click' as K, ...additional);
    }

    protected render(): React.ReactNode {
        const { summary, rights, warnings, origin, is_known_publisher: isKnown, adds } = this.consent;
        return <div className='plugin-consent-body' tabIndex={0}>
            <p>{summary}</p>
            <p className={isKnown ? 'plugin-muted' : 'coditect-problem'}>{origin}</p>
            {rights.length > 0 && <Rights rights={rights} isOn={name => this.granted.has(name)} onSwitch={this.switch} />}
            {warnings.map(warning => <p key={warning} className='coditect-problem'>{warning}</p>)}
            {adds.length > 0 && <section><h3>What it adds</h3><ul>{adds.map(line => <li key={line}>{line}</li>)}</ul></section>}
        </div>;
    }

    protected readonly switch = (name: CapabilityName, on: boolean): void => {
        if (on) {
            this.granted.add(name);
        } else {
            this.granted.delete(name);
        }
        this.update();
    };
}
