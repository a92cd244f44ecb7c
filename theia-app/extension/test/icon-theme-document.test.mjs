import assert from 'node:assert/strict';
import { test } from 'node:test';
import icons from '../lib/browser/branding/icon-theme-document.js';

const theme = {
    iconDefinitions: {},
    file: 'file', folder: 'folder', folderExpanded: 'folder-open',
    fileNames: { 'cargo.toml': 'cargo' },
    fileExtensions: { ts: 'ts', 'test.ts': 'test-ts' },
    folderNames: { src: 'src' }, folderNamesExpanded: { src: 'src-open' },
    light: { file: 'file-light', fileExtensions: { ts: 'ts-light' } }
};

test('names, then the longest extension, then the default', () => {
    const check = (name, expected, { folder = false, expanded = false, light = false } = {}) =>
        assert.equal(icons.findIcon(theme, { name, folder, expanded }, light), expected, name);
    check('Cargo.toml', 'cargo');
    check('a.TS', 'ts');
    check('a.b.test.ts', 'test-ts');
    check('.ts', 'ts');
    check('unknown', 'file');
    check('src', 'src', { folder: true });
    check('src', 'src-open', { folder: true, expanded: true });
    check('lib', 'folder', { folder: true });
    check('lib', 'folder-open', { folder: true, expanded: true });
    check('a.ts', 'ts-light', { light: true });
    check('unknown', 'file-light', { light: true });
    check('src', 'src', { folder: true, light: true });
});
