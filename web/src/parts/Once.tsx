import { useEffect, useId, useRef, useState, type ReactNode } from 'react';

/** Copies a text; where the browser does not let the page do that, it is selected for the person to copy. */
export function CopyButton({ text, label = 'Copy', target }: { text: string; label?: string; target?: () => HTMLElement | null }) {
    const [told, setTold] = useState('');
    async function copy(): Promise<void> {
        try {
            await navigator.clipboard.writeText(text);
            setTold('Copied.');
        } catch {
            const element = target?.();
            if (element) {
                getSelection()?.selectAllChildren(element);
            }
            setTold('Selected; copy it with your keyboard.');
        }
    }
    return (
        <>
            <button type="button" onClick={() => void copy()}>{label}</button>
            <span role="status" className="hint">{told}</span>
        </>
    );
}

/** One line to be copied. */
export function Copyable({ label, text }: { label: string; text: string }) {
    const place = useRef<HTMLElement>(null);
    const id = useId();
    return (
        <div className="copyable">
            <span id={id} className="name">{label}</span>
            <div className="row">
                <code ref={place} className="secret" aria-labelledby={id} tabIndex={0}>{text}</code>
                <CopyButton text={text} label={`Copy the ${label.charAt(0).toLowerCase()}${label.slice(1)}`} target={() => place.current} />
            </div>
        </div>
    );
}

/** Something that is shown only this once. */
export function Once({ title, done = 'Done', onDone, children }: { title: string; done?: string; onDone: () => void; children: ReactNode }) {
    const id = useId();
    const heading = useRef<HTMLHeadingElement>(null);
    useEffect(() => heading.current?.focus(), []);
    return (
        <section className="card once stack" aria-labelledby={id}>
            <h2 id={id} tabIndex={-1} ref={heading}>{title}</h2>
            {children}
            <p><button type="button" className="primary no-print" onClick={onDone}>{done}</button></p>
        </section>
    );
}
