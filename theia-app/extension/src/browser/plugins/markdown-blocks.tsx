import * as React from '@theia/core/shared/react';
import type { Block, Span } from 'coditect-shell';

interface Props {
    readonly blocks: readonly Block[];
    /** Opens a file by its path below the workspace. Without it, such links are words. */
    readonly onOpen?: (path: string) => void;
}

/** Markdown that the shell has read. Nothing of it is ever taken for HTML. */
export function MarkdownBlocks({ blocks, onOpen }: Props): React.ReactElement {
    return <React.Fragment>{blocks.map((block, index) => <BlockPart key={index} block={block} onOpen={onOpen} />)}</React.Fragment>;
}

function BlockPart({ block, onOpen }: { readonly block: Block } & Pick<Props, 'onOpen'>): React.ReactElement {
    const spans = (inner: readonly Span[]) => <Spans spans={inner} onOpen={onOpen} />;
    switch (block.type) {
        case 'paragraph': return <p>{spans(block.spans)}</p>;
        // The page has headings of its own above these.
        case 'heading': return React.createElement(`h${Math.min(6, block.level + 2)}`, {}, spans(block.spans));
        case 'code': return <pre tabIndex={0}><code>{block.text}</code></pre>;
        case 'quote': return <blockquote><MarkdownBlocks blocks={block.blocks} onOpen={onOpen} /></blockquote>;
        case 'list': {
            const items = block.items.map((item, index) => <li key={index}><MarkdownBlocks blocks={item} onOpen={onOpen} /></li>);
            return block.start === undefined || block.start === null ? <ul>{items}</ul> : <ol start={block.start}>{items}</ol>;
        }
        case 'table': return <div className='coditect-scroll' tabIndex={0}><table>
            <thead><tr>{block.head.map((cell, index) => <th key={index} scope='col'>{spans(cell)}</th>)}</tr></thead>
            <tbody>{block.rows.map((row, index) => <tr key={index}>{row.map((cell, column) => <td key={column}>{spans(cell)}</td>)}</tr>)}</tbody>
        </table></div>;
        case 'rule': return <hr />;
    }
}

function Spans({ spans, onOpen }: { readonly spans: readonly Span[] } & Pick<Props, 'onOpen'>): React.ReactElement {
    return <React.Fragment>{spans.map((span, index) => <SpanPart key={index} span={span} onOpen={onOpen} />)}</React.Fragment>;
}

function SpanPart({ span, onOpen }: { readonly span: Span } & Pick<Props, 'onOpen'>): React.ReactElement {
    const inner = 'spans' in span && <Spans spans={span.spans} onOpen={onOpen} />;
    switch (span.type) {
        case 'text': return <React.Fragment>{span.text}</React.Fragment>;
        case 'code': return <code>{span.text}</code>;
        case 'strong': return <strong>{inner}</strong>;
        case 'emphasis': return <em>{inner}</em>;
        case 'deleted': return <del>{inner}</del>;
        case 'break': return <br />;
        case 'web_link': return <a href={span.address} title={span.address} target='_blank' rel='noopener noreferrer'>{inner}</a>;
        case 'file_link': return onOpen
            ? <button type='button' className='coditect-link' title={span.path} onClick={() => onOpen(span.path)}>{inner}</button>
            : <React.Fragment>{inner}</React.Fragment>;
    }
}
