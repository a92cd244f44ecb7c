import type { WorkspaceMember, WorkspaceRole } from 'coditect-shell';
import { beforeEach, expect, test, vi } from 'vitest';
import { refusal, user } from '../test/account';
import { doing, fill, named, one, render } from '../test/render';
import { workspace } from '../test/workspace';
import { LeaveDialog, MembersDialog } from './MembersDialog';

const rust = vi.hoisted(() => ({ listMembers: vi.fn(), addMember: vi.fn(), changeMember: vi.fn(), removeMember: vi.fn() }));
vi.mock('../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const member = (name: string, role: WorkspaceRole): WorkspaceMember => ({ user: `id-${name}`, name, role, since: 1 });
const on = { onClose: vi.fn(), onCount: vi.fn() };
const ready = { type: 'ready' } as const;
const show = (role: WorkspaceRole, who: string) => render(<MembersDialog workspace={workspace('ours', ready, { role })} user={user(who)} {...on} />);
const rows = () => [...document.querySelectorAll('.members li')].map(row => row.textContent);

beforeEach(() => {
    vi.resetAllMocks();
    rust.listMembers.mockResolvedValue([member('ada', 'owner'), member('bob', 'read')]);
});

test('an admin adds somebody, changes what they may do, and removes them', async () => {
    await show('owner', 'ada');
    await doing(() => undefined);
    expect(rows()).toHaveLength(2);
    expect(rows()[0]).toBe('ada (you)Owner');
    rust.addMember.mockResolvedValue(member('eve', 'write'));
    await fill('#login', ' eve ');
    await doing(() => one<HTMLFormElement>('form').requestSubmit());
    expect(rust.addMember).toHaveBeenCalledExactlyOnceWith('id-ours', 'eve', 'write');
    expect(on.onCount).toHaveBeenLastCalledWith(2);
    expect(one('.good').textContent).toBe('eve can use it now.');
    expect(one<HTMLInputElement>('#login').value).toBe('');

    rust.changeMember.mockResolvedValue(member('eve', 'read'));
    const choice = one<HTMLSelectElement>('select[aria-label="What eve may do"]');
    await doing(() => {
        choice.value = 'read';
        choice.dispatchEvent(new Event('change', { bubbles: true }));
    });
    expect(rust.changeMember).toHaveBeenCalledExactlyOnceWith('id-ours', 'id-eve', 'read');
    rust.removeMember.mockResolvedValue(undefined);
    await doing(() => named('Remove eve').click());
    expect(rust.removeMember).toHaveBeenCalledExactlyOnceWith('id-ours', 'id-eve');
    expect(rows()).toHaveLength(2);
    expect(on.onCount).toHaveBeenLastCalledWith(1);
});

test('a name that nobody has is told at its field', async () => {
    await show('admin', 'ada');
    rust.addMember.mockRejectedValue(refusal('auth.no_such_person', 'not_found', 'Nobody.'));
    await fill('#login', 'nobody');
    await doing(() => one<HTMLFormElement>('form').requestSubmit());
    expect(document.activeElement).toBe(one('#login'));
    expect(one('#login').getAttribute('aria-invalid')).toBe('true');
    expect(on.onCount).not.toHaveBeenCalled();
});

test('who may only read sees who is there and changes nothing', async () => {
    await show('read', 'bob');
    await doing(() => undefined);
    expect(rows()).toEqual(['adaOwner', 'bob (you)Read only']);
    expect(document.querySelectorAll('form, .members button, .members select')).toHaveLength(0);
});

test('one leaves by oneself', async () => {
    const onDone = vi.fn();
    rust.removeMember.mockResolvedValue(undefined);
    await render(<LeaveDialog workspace={workspace('ours', ready, { role: 'read' })} user={user('bob')} onClose={on.onClose} onDone={onDone} />);
    await doing(() => named('Leave').click());
    expect(rust.removeMember).toHaveBeenCalledExactlyOnceWith('id-ours', 'id-bob');
    expect(onDone).toHaveBeenCalledExactlyOnceWith('id-ours');
});
