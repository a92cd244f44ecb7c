import { useId, useLayoutEffect, useRef, type ReactNode } from 'react';

/** A modal dialogue: the browser's own, so that it holds the focus and gives it back. What carries `data-first` gets it first. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
    const ref = useRef<HTMLDialogElement>(null);
    const leaving = useRef(false);
    const titleId = useId();
    // Before the dialogue leaves the page: only a closing dialogue gives the focus back.
    useLayoutEffect(() => {
        const dialog = ref.current;
        leaving.current = false;
        dialog?.showModal();
        const first = dialog?.querySelector<HTMLElement>('[data-first]');
        first?.focus();
        if (first instanceof HTMLInputElement) {
            first.select();
        }
        return () => {
            leaving.current = true;
            dialog?.close();
        };
    }, []);
    return (
        <dialog ref={ref} aria-labelledby={titleId}
            onCancel={event => { if (event.target === ref.current) { event.preventDefault(); onClose(); } }}
            // A browser may close it without asking, after a second Escape.
            onClose={() => { if (!leaving.current && !ref.current?.open) { onClose(); } }}>
            <header>
                <h2 id={titleId}>{title}</h2>
                <button type="button" className="icon" aria-label="Close" onClick={onClose}>
                    <svg viewBox="0 0 20 20" width="18" height="18" aria-hidden="true"><path d="m5 5 10 10M15 5 5 15" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" /></svg>
                </button>
            </header>
            {children}
        </dialog>
    );
}
