import { useEffect, useRef, type ReactNode } from 'react';

/** A modal dialogue: the browser's own, so that focus and Escape work as everywhere. */
export function Dialog({ title, onClose, children }: { title: string; onClose: () => void; children: ReactNode }) {
    const ref = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const dialog = ref.current;
        dialog?.showModal();
        return () => dialog?.close();
    }, []);
    return (
        <dialog ref={ref} aria-label={title} onCancel={event => { event.preventDefault(); onClose(); }}>
            <header><h2>{title}</h2><button type="button" className="icon" aria-label="Close" onClick={onClose}>✕</button></header>
            {children}
        </dialog>
    );
}
