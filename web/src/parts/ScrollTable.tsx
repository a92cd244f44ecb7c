import type { ReactNode } from 'react';

interface Props {
    /** What it shows. */
    caption: string;
    children: ReactNode;
}

/** A table that is moved sideways where the page is too narrow for it, also with the keyboard. */
export function ScrollTable({ caption, children }: Props) {
    return (
        <div className="scroll-table" role="region" aria-label={caption} tabIndex={0}>
            <table>
                <caption className="unseen">{caption}</caption>
                {children}
            </table>
        </div>
    );
}
