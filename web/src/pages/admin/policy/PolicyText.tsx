import { useState } from 'react';
import type { Policy } from 'coditect-shell';
import { readText, textOf } from '../../../logic/policy';

interface Props {
    policy: Policy;
    /** Puts another policy in its place. */
    onTake: (policy: Policy) => void;
    /** Leaves it as it was. */
    onLeave: () => void;
}

/** A policy as JSON: to be read, changed, kept as a file, and taken from one. */
export function PolicyText({ policy, onTake, onLeave }: Props) {
    const [text, setText] = useState(() => textOf(policy));
    const [fault, setFault] = useState('');
    function take(): void {
        const read = readText(text);
        if ('fault' in read) {
            setFault(read.fault);
            document.getElementById('policy-text')?.focus();
        } else {
            onTake(read.policy);
        }
    }
    function download(): void {
        const address = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
        Object.assign(document.createElement('a'), { href: address, download: 'coditect-models.json' }).click();
        URL.revokeObjectURL(address);
    }
    async function open(file: File | undefined): Promise<void> {
        if (file) {
            setText(await file.text());
            setFault('');
        }
    }
    return (
        <section className="card stack">
            <label htmlFor="policy-text">The policy as JSON</label>
            <textarea id="policy-text" className="json" rows={24} autoFocus value={text} autoCapitalize="off" spellCheck={false} aria-invalid={fault !== ''} aria-describedby={fault ? 'policy-text-fault' : undefined} onChange={event => { setText(event.target.value); setFault(''); }} />
            {fault && <p id="policy-text-fault" role="alert" className="fault">{fault}</p>}
            <div className="buttons">
                <button type="button" className="primary" onClick={take}>Put it into the form</button>
                <button type="button" onClick={onLeave}>Cancel</button>
                <button type="button" onClick={download}>Save as a file</button>
                <label className="button file-button">Open a file<input type="file" accept=".json,application/json" onChange={event => void open(event.target.files?.[0])} /></label>
            </div>
        </section>
    );
}
