import { expect, test } from 'vitest';
import { workspace } from '../test/workspace';
import { mayAdminister, sharedText } from './roles';

const ready = { type: 'ready' } as const;

test('tells with whom a workspace is shared', () => {
    expect(sharedText(workspace('a'))).toBe('');
    expect(sharedText(workspace('a', ready, { members: 1 }))).toBe('Shared with 1 person');
    expect(sharedText(workspace('a', ready, { members: 3 }))).toBe('Shared with 3 people');
    expect(sharedText(workspace('a', ready, { role: 'read', owner: 'ada', members: 3 }))).toBe('Shared by ada');
    expect(sharedText(workspace('a', ready, { role: 'read', owner: '' }))).toBe('Shared with you');
});

test('admins and the owner say who the members are', () => {
    const may = (role: 'read' | 'write' | 'admin' | 'owner') => mayAdminister(workspace('a', ready, { role }));
    expect([may('read'), may('write'), may('admin'), may('owner')]).toEqual([false, false, true, true]);
});
