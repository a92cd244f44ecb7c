import { createElement, type ReactNode } from 'react';
import type { Block, Span } from 'coditect-shell';

/** Markdown that the shell has read, without anything of it ever being taken for HTML. Links to files of its package are words. */
export function Markdown({ blocks }: { blocks: readonly Block[] }) {
    return <>{blocks.map((block, index) => <Part key={index} block={block} />)}</>;
}

function Part({ block }: { block: Block }): ReactNode {
    switch (block.type) {
        case 'paragraph': return <p>{drawn(block.spans)}</p>;
        // The page has headings of its own above these.
        case 'heading': return createElement(`h${Math.min(6, block.level + 2)}`, {}, drawn(block.spans));
        case 'code': return <pre tabIndex={0}><code>{block.text}</code></pre>;
        case 'quote': return <blockquote><Markdown blocks={block.blocks} /></blockquote>;
        case 'list': {
            const items = block.items.map((item, index) => <li key={index}><Markdown blocks={item} /></li>);
            return block.start === undefined || block.start === null ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
        }
        case 'table': return (
            <div className="scroll-table" tabIndex={0}>
                <table>
                    <thead><tr>{block.head.map((cell, index) => <th key={index} scope="col">{drawn(cell)}</th>)}</tr></thead>
                    <tbody>{block.rows.map((row, index) => <tr key={index}>{row.map((cell, column) => <td key={column}>{drawn(cell)}</td>)}</tr>)}</tbody>
                </table>
            </div>
        );
        case 'rule': return <hr />;
    }
}

function drawn(spans: readonly Span[]): ReactNode {
    return spans.map((span, index) => {
        switch (span.type) {
            case 'text': return span.text;
            case 'code': return <code key={index}>{span.text}</code>;
            case 'strong': return <strong key={index}>{drawn(span.spans)}</strong>;
            case 'emphasis': return <em key={index}>{drawn(span.spans)}</em>;
            case 'deleted': return <del key={index}>{drawn(span.spans)}</del>;
            case 'break': return <br key={index} />;
            case 'web_link': return <a key={index} href={span.address} title={span.address} target="_blank" rel="noopener noreferrer">{drawn(span.spans)}</a>;
            case 'file_link': return <span key={index}>{drawn(span.spans)}</span>;
        }
    });
}
