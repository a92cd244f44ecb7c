import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createElement } from 'react';
import { renderToStaticMarkup } from 'react-dom/server';
import blocks from '../lib/browser/plugins/markdown-blocks.js';
import tree from '../lib/browser/plugins/node-tree.js';

const { MarkdownBlocks } = blocks;
const { NodeTree, PAGE_ROWS } = tree;

const actions = { act() { }, open() { }, openBelow() { }, read: text => [{ type: 'paragraph', spans: [{ type: 'text', text }] }] };
const draw = node => renderToStaticMarkup(createElement(NodeTree, { node, actions }));
const EVIL = '<img src=x onerror=alert(1)>';

test('whatever a view says is text', () => {
    const everywhere = [
        { type: 'heading', text: EVIL }, { type: 'text', text: EVIL }, { type: 'markdown', text: EVIL }, { type: 'code', text: EVIL, language: EVIL },
        { type: 'link', text: EVIL, path: EVIL }, { type: 'button', id: 'b', text: EVIL }, { type: 'input', id: 'i', label: EVIL, value: EVIL, placeholder: EVIL },
        { type: 'select', id: 's', label: EVIL, value: EVIL, choices: [{ value: EVIL, label: EVIL }] }, { type: 'checkbox', id: 'c', label: EVIL },
        { type: 'tree', text: EVIL, detail: EVIL, path: EVIL }, { type: 'table', columns: [EVIL], rows: [[EVIL]] }, { type: 'progress', text: EVIL }
    ];
    for (const node of everywhere) {
        const html = draw(node);
        assert.doesNotMatch(html, /<img/, node.type);
        assert.match(html, /&lt;img/, node.type);
    }
    const html = draw({ type: 'column', children: [{ type: 'row', children: everywhere }, { type: 'list', children: everywhere }, { type: 'separator' }] });
    assert.doesNotMatch(html, /<img/);
});

test('what can be used has a name and a role', () => {
    const leaf = { type: 'tree', text: 'leaf' };
    const html = draw({ type: 'tree', text: 'root', detail: '2', expanded: true, children: [leaf, { ...leaf, text: 'other', children: [leaf] }] });
    assert.match(html, /role="tree" class="plugin-tree" aria-label="root"/);
    assert.match(html, /role="treeitem" aria-level="1" aria-expanded="true" aria-label="root, 2" tabindex="0"/);
    assert.equal(html.match(/tabindex="0"/g).length, 1, 'one stop for the Tab key');
    assert.match(html, /aria-level="2" aria-expanded="false" aria-label="other"/);
    const field = draw({ type: 'input', id: 'name', label: 'Name' });
    const [, id] = field.match(/for="([^"]+)"/);
    assert.ok(field.includes(`<input id="${id}"`));
    assert.match(draw({ type: 'progress', text: 'Reads', percent: 40 }), /aria-label="Reads" value="40"/);
});

test('a long table comes in pages', () => {
    const rows = Array.from({ length: PAGE_ROWS + 1 }, (_, row) => [`r${row}`]);
    const html = draw({ type: 'table', id: 't', columns: ['c'], rows });
    assert.equal(html.match(/<td>/g).length, PAGE_ROWS);
    assert.match(html, new RegExp(`aria-rowcount="${rows.length + 1}"`));
    assert.match(html, new RegExp(`1 to ${PAGE_ROWS} of ${rows.length}`));
    assert.doesNotMatch(draw({ type: 'table', columns: ['c'], rows: rows.slice(0, PAGE_ROWS) }), /<nav/);
});

test('links of Markdown lead out without telling where from, or to files', () => {
    const span = text => [{ type: 'text', text }];
    const paragraph = { type: 'paragraph', spans: [{ type: 'web_link', spans: span('a'), address: 'https://a.example/"x' }, { type: 'file_link', spans: span('b'), path: 'src/b' }] };
    const html = renderToStaticMarkup(createElement(MarkdownBlocks, { blocks: [paragraph], onOpen() { } }));
    assert.match(html, /<a href="https:\/\/a\.example\/&quot;x" title="[^"]+" target="_blank" rel="noopener noreferrer">a<\/a>/);
    assert.match(html, /<button type="button" class="coditect-link" title="src\/b">b<\/button>/);
    assert.doesNotMatch(renderToStaticMarkup(createElement(MarkdownBlocks, { blocks: [paragraph] })), /<button/);
    const all = [
        { type: 'heading', level: 6, spans: span('h') }, { type: 'code', text: EVIL }, { type: 'quote', blocks: [paragraph] }, { type: 'list', start: 3, items: [[paragraph]] },
        { type: 'table', head: [span(EVIL)], rows: [[span(EVIL)]] }, { type: 'rule' }
    ];
    const drawn = renderToStaticMarkup(createElement(MarkdownBlocks, { blocks: all }));
    assert.match(drawn, /<h6>h<\/h6>.*<ol start="3">.*<hr\/>/s);
    assert.doesNotMatch(drawn, /<img/);
});
