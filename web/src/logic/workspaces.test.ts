import { expect, test } from 'vitest';
import { creating, workspace } from '../test/workspace';
import { archiveName, ideUrl, isArchive, isFound, news } from './workspaces';

test('the address of the IDE cannot be broken out of', () => {
    expect(ideUrl(workspace('x', { type: 'ready' }, { id: 'a&b=#c' }))).toBe('/theia/?workspace=a%26b%3D%23c');
});

test('workspaces are found by the words of their name and source', () => {
    const found = workspace('Rocket engine', { type: 'ready' }, { source: { type: 'git', url: 'https://example.org/team/motor.git' } });
    expect(isFound(found, '')).toBe(true);
    expect(isFound(found, '  ROCKET ')).toBe(true);
    expect(isFound(found, 'motor rock')).toBe(true);
    expect(isFound(found, 'rocket wheel')).toBe(false);
});

test.each([['a.zip', true], ['A.TAR.GZ', true], ['a.tgz', true], ['a.tar', true], ['a.rar', false], ['zip', false], ['a.zip.exe', false]])('%s is an archive: %s', (name, is) => {
    expect(isArchive(name)).toBe(is);
});

test('an archive names its workspace', () => {
    expect(archiveName('project.tar.gz')).toBe('project');
    expect(archiveName('my.project.ZIP')).toBe('my.project');
    expect(archiveName(`${'x'.repeat(200)}.zip`)).toHaveLength(100);
});

test('only what changed is told, and no percent', () => {
    const one = workspace('one', creating('Receiving objects', 10));
    expect(news([], [one])).toBe('one: Receiving objects.');
    expect(news([one], [workspace('one', creating('Receiving objects', 60))])).toBe('');
    expect(news([one], [workspace('one', creating('Checking out', 1))])).toBe('one: Checking out.');
    expect(news([one], [workspace('one')])).toBe('one is ready.');
    expect(news([one], [workspace('one', { type: 'failed', code: 'x', message: 'No such host.' })])).toBe('one could not be made. No such host.');
    expect(news([], [workspace('old'), workspace('broken', { type: 'failed', code: 'x', message: 'No.' })])).toBe('');
    expect(news([one], [])).toBe('');
});
