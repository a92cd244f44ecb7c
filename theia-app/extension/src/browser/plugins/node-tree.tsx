import * as React from '@theia/core/shared/react';
import type { Block, Node, ViewAction } from 'coditect-shell';
import { MarkdownBlocks } from './markdown-blocks';

/** Most rows of a table that are drawn at once. */
export const PAGE_ROWS = 500;

/** What a view can do. */
export interface NodeActions {
    /** Tells the plugin what the person did. */
    act(action: ViewAction): void;
    /** Opens a file of the workspace by its absolute path, at a line from 0. */
    open(path: string, line?: number): void;
    /** Opens a file by its path below the workspace. */
    openBelow(path: string): void;
    read(markdown: string): Block[];
}

type NodeOf<T extends Node['type']> = Extract<Node, { type: T }>;
interface PartProps<T extends Node['type']> {
    readonly node: NodeOf<T>;
    readonly actions: NodeActions;
}

/** A view of a plugin. The shell has checked it; what it says is text, and is never taken for anything else. */
export function NodeTree({ node, actions }: { readonly node: Node; readonly actions: NodeActions }): React.ReactElement {
    const children = (parts: readonly Node[]) => parts.map((part, index) => <NodeTree key={keyOf(part, index)} node={part} actions={actions} />);
    switch (node.type) {
        case 'column': return <div className='plugin-column'>{children(node.children)}</div>;
        case 'row': return <div className='plugin-row'>{children(node.children)}</div>;
        case 'heading': return <h3>{node.text}</h3>;
        case 'text': return <p className={node.muted ? 'plugin-muted' : undefined}>{node.text}</p>;
        case 'markdown': return <Markdown node={node} actions={actions} />;
        case 'code': return <pre tabIndex={0} aria-label={node.language ? `Code, ${node.language}` : 'Code'}><code>{node.text}</code></pre>;
        case 'link': return <button type='button' className='coditect-link' title={place(node.path, node.line)} onClick={() => actions.open(node.path, node.line ?? undefined)}>{node.text}</button>;
        case 'button': return <button type='button' className={`theia-button ${node.primary ? 'main' : 'secondary'}`} disabled={node.disabled}
            onClick={() => actions.act({ id: node.id, kind: 'click', value: 'null' })}>{node.text}</button>;
        case 'input': return <Input key={node.value} node={node} actions={actions} />;
        case 'select': return <Select node={node} actions={actions} />;
        case 'checkbox': return <label className='plugin-check'>
            <input type='checkbox' checked={node.checked ?? false} onChange={event => actions.act({ id: node.id, kind: 'change', value: JSON.stringify(event.target.checked) })} />
            {node.label}
        </label>;
        case 'list': return <ul className='plugin-list'>{node.children.map((part, index) => <li key={keyOf(part, index)}><NodeTree node={part} actions={actions} /></li>)}</ul>;
        case 'tree': return <ul role='tree' className='plugin-tree' aria-label={node.text} onKeyDown={moveInTree}><TreeItem node={node} actions={actions} level={1} isFirst /></ul>;
        case 'table': return <Table node={node} actions={actions} />;
        case 'progress': return <Progress {...node} />;
        case 'separator': return <hr />;
    }
}

/** What has an identifier stays itself where something before it comes or goes, so that nobody loses the focus. */
function keyOf(node: Node, index: number): string {
    return 'id' in node && node.id ? `${node.type} ${node.id}` : `${index}`;
}

function place(path: string, line?: number | null): string {
    return line === undefined || line === null ? path : `${path}:${line + 1}`;
}

function Markdown({ node, actions }: PartProps<'markdown'>): React.ReactElement {
    const blocks = React.useMemo(() => actions.read(node.text), [node.text]);
    return <div className='plugin-markdown'><MarkdownBlocks blocks={blocks} onOpen={path => actions.openBelow(path)} /></div>;
}

function Input({ node, actions }: PartProps<'input'>): React.ReactElement {
    const id = React.useId();
    const [value, setValue] = React.useState(node.value ?? '');
    const tell = (kind: 'change' | 'submit') => actions.act({ id: node.id, kind, value: JSON.stringify(value) });
    return <div className='plugin-field'>
        <label htmlFor={id}>{node.label}</label>
        <input id={id} className='theia-input' value={value} placeholder={node.placeholder} onChange={event => setValue(event.target.value)}
            onBlur={() => value !== (node.value ?? '') && tell('change')}
            onKeyDown={event => event.key === 'Enter' && !event.nativeEvent.isComposing && tell('submit')} />
    </div>;
}

function Select({ node, actions }: PartProps<'select'>): React.ReactElement {
    const id = React.useId();
    return <div className='plugin-field'>
        <label htmlFor={id}>{node.label}</label>
        <select id={id} className='theia-select' value={node.value} onChange={event => actions.act({ id: node.id, kind: 'change', value: JSON.stringify(event.target.value) })}>
            {!node.choices.some(({ value }) => value === node.value) && <option value={node.value}> </option>}
            {node.choices.map(({ value, label }) => <option key={value} value={value}>{label}</option>)}
        </select>
    </div>;
}

function TreeItem({ node, actions, level, isFirst }: PartProps<'tree'> & { readonly level: number; readonly isFirst: boolean }): React.ReactElement {
    const [isOpen, setOpen] = React.useState(node.expanded ?? false);
    React.useEffect(() => setOpen(node.expanded ?? false), [node.expanded]);
    const parts = node.children ?? [];
    const { id } = node;
    const toggle = () => {
        setOpen(!isOpen);
        if (id) {
            actions.act({ id, kind: isOpen ? 'collapse' : 'expand', value: 'null' });
        }
    };
    const choose = () => {
        if (node.path) {
            actions.open(node.path, node.line ?? undefined);
        } else if (parts.length > 0) {
            toggle();
        }
        if (id) {
            actions.act({ id, kind: 'select', value: 'null' });
        }
    };
    const onKeyDown = (event: React.KeyboardEvent) => {
        if (event.target !== event.currentTarget) {
            return;
        }
        const isToggle = event.key === 'ArrowRight' && !isOpen || event.key === 'ArrowLeft' && isOpen;
        if (isToggle && parts.length > 0) {
            toggle();
        } else if (event.key === 'Enter' || event.key === ' ') {
            choose();
        } else {
            return;
        }
        event.preventDefault();
        event.stopPropagation();
    };
    return <li role='treeitem' aria-level={level} aria-expanded={parts.length > 0 ? isOpen : undefined} aria-label={[node.text, node.detail].filter(Boolean).join(', ')}
        tabIndex={isFirst ? 0 : -1} onKeyDown={onKeyDown}>
        <div className='plugin-tree-row' onClick={choose} title={node.path ? place(node.path, node.line) : undefined}>
            <span className={`codicon ${parts.length === 0 ? 'codicon-blank' : isOpen ? 'codicon-chevron-down' : 'codicon-chevron-right'}`} aria-hidden='true'
                onClick={event => { if (parts.length > 0) { event.stopPropagation(); toggle(); } }} />
            {node.icon && <span className={`codicon codicon-${node.icon}`} aria-hidden='true' />}
            <span>{node.text}</span>
            {node.detail && <small className='plugin-muted'>{node.detail}</small>}
        </div>
        {isOpen && parts.length > 0 && <ul role='group'>{parts.map((part, index) => part.type === 'tree'
            ? <TreeItem key={keyOf(part, index)} node={part} actions={actions} level={level + 1} isFirst={false} />
            : <li key={keyOf(part, index)} role='none'><NodeTree node={part} actions={actions} /></li>)}</ul>}
    </li>;
}

/** One stop for the Tab key; the arrow keys go from entry to entry. */
function moveInTree(event: React.KeyboardEvent<HTMLUListElement>): void {
    const items = [...event.currentTarget.querySelectorAll<HTMLElement>('[role=treeitem]')];
    const at = items.indexOf(document.activeElement as HTMLElement);
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    const next = target === undefined || at < 0 ? undefined : items[target];
    if (next) {
        event.preventDefault();
        items.forEach(item => item.tabIndex = item === next ? 0 : -1);
        next.focus();
    }
}

function Table({ node, actions }: PartProps<'table'>): React.ReactElement {
    const { id, columns, rows } = node;
    const [asked, setPage] = React.useState(0);
    const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
    const page = Math.min(asked, pages - 1);
    const first = page * PAGE_ROWS;
    const select = (row: number) => id && actions.act({ id, kind: 'select', value: JSON.stringify(row) });
    return <div className='coditect-scroll' tabIndex={0}>
        <table aria-rowcount={rows.length + 1}>
            <thead><tr aria-rowindex={1}>{columns.map((column, index) => <th key={index} scope='col'>
                {id ? <button type='button' className='coditect-link' onClick={() => actions.act({ id, kind: 'change', value: JSON.stringify(index) })}>{column}</button> : column}
            </th>)}</tr></thead>
            <tbody>{rows.slice(first, first + PAGE_ROWS).map((row, index) => <tr key={first + index} aria-rowindex={first + index + 2}
                {...(id ? { tabIndex: 0, className: 'plugin-chosen', onClick: () => select(first + index), onKeyDown: (event: React.KeyboardEvent) => event.key === 'Enter' && select(first + index) } : {})}>
                {row.map((cell, column) => <td key={column}>{cell}</td>)}
            </tr>)}</tbody>
        </table>
        {pages > 1 && <nav className='plugin-row' aria-label='Rows'>
            <button type='button' className='theia-button secondary' disabled={page === 0} onClick={() => setPage(page - 1)}>Before</button>
            <span role='status'>{first + 1} to {Math.min(rows.length, first + PAGE_ROWS)} of {rows.length}</span>
            <button type='button' className='theia-button secondary' disabled={page === pages - 1} onClick={() => setPage(page + 1)}>After</button>
        </nav>}
    </div>;
}

function Progress({ text, percent }: NodeOf<'progress'>): React.ReactElement {
    const known = percent === undefined || percent === null ? {} : { value: percent };
    return <p className='plugin-row'><progress max={100} aria-label={text || 'Progress'} {...known} /><span>{text}</span></p>;
}
