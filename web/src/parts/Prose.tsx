import type { ReactNode } from 'react';

/** Text with `code` in it, as the comments of a program have it. */
export function Prose({ text, inline = false }: { text: string; inline?: boolean }) {
    const blocks = text.split(/\n\s*\n/).map(block => block.replace(/\s*\n\s*/g, ' ').trim()).filter(Boolean);
    if (inline) {
        return <>{withCode(blocks.join(' '))}</>;
    }
    return <>{blocks.map((block, index) => <p key={index}>{withCode(block)}</p>)}</>;
}

function withCode(text: string): ReactNode[] {
    return text.split('`').map((piece, index) => index % 2 === 1 ? <code key={index}>{piece}</code> : piece);
}
