import type { ReactNode } from 'react';

interface Props {
    busy: boolean;
    busyLabel: string;
    className?: string;
    disabled?: boolean;
    children: ReactNode;
}

/** Submits its form. While that goes on it keeps the focus, so that nobody loses their place. */
export function SubmitButton({ busy, busyLabel, className = 'primary', disabled = false, children }: Props) {
    return (
        <button type="submit" className={className} disabled={disabled} aria-disabled={busy || disabled}>
            {busy && <span className="spinner" aria-hidden="true" />}{busy ? busyLabel : children}
        </button>
    );
}
