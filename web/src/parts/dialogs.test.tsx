import type { Workspace } from 'coditect-shell';
import { beforeEach, expect, test, vi } from 'vitest';
import { doing, fill, later, named, one, press, render } from '../test/render';
import { creating, workspace } from '../test/workspace';
import { CreateDialog } from './CreateDialog';
import { DeleteDialog, RenameDialog } from './EditDialogs';

const rust = vi.hoisted(() => ({ createWorkspace: vi.fn(), uploadWorkspace: vi.fn(), renameWorkspace: vi.fn(), deleteWorkspace: vi.fn() }));
vi.mock('../shell', () => ({ shell: () => Promise.resolve(rust), warmUp: () => undefined }));

const on = { onClose: vi.fn(), onDone: vi.fn(), onLate: vi.fn() };
beforeEach(() => { vi.resetAllMocks(); });
const submit = () => doing(() => one<HTMLFormElement>('form').requestSubmit());

/** Chooses a file as the picker does. */
const choose = (name: string) => doing(() => {
    const input = one<HTMLInputElement>('input[type=file]');
    Object.defineProperty(input, 'files', { configurable: true, value: [new File(['x'], name)] });
    input.dispatchEvent(new Event('change', { bubbles: true }));
});

test('two clicks make one workspace', async () => {
    const answer = later<Workspace>();
    rust.createWorkspace.mockReturnValue(answer.promise);
    await render(<CreateDialog {...on} />);
    expect(document.activeElement).toBe(one('#name'));
    await fill('#name', '  new  ');
    await doing(() => { named('Create workspace').click(); named('Create workspace').click(); });
    await submit();
    expect(rust.createWorkspace.mock.calls).toEqual([[{ name: 'new', source: { type: 'empty' } }]]);
    expect(named('Creating …').getAttribute('aria-disabled')).toBe('true');
    await doing(() => answer.resolve(workspace('new')));
    expect(on.onDone).toHaveBeenCalledExactlyOnceWith(workspace('new'));
    expect(on.onClose).toHaveBeenCalledOnce();
});

test('a refusal is told and what was typed stays', async () => {
    rust.createWorkspace.mockRejectedValueOnce(Object.assign(new Error('Refused.'), { code: 'workspace.refused' }));
    await render(<CreateDialog {...on} />);
    await doing(() => named('Git repository').click());
    await fill('#url', ' https://example.org/a.git ');
    await submit();
    expect(one('[role=alert]').textContent).toBe('Refused. workspace.refused');
    expect(one<HTMLInputElement>('#url').value).toContain('https://example.org/a.git');
    expect(rust.createWorkspace).toHaveBeenCalledWith({ source: { type: 'git', url: 'https://example.org/a.git' } });
    expect(on.onClose).not.toHaveBeenCalled();
    await doing(() => named('Empty').click());
    expect(one('[role=alert]').textContent).toBe('');
});

test('what ends after the dialogue was closed is not lost', async () => {
    const first = later<Workspace>();
    rust.createWorkspace.mockReturnValueOnce(first.promise);
    await render(<CreateDialog {...on} />);
    await fill('#name', 'slow');
    await submit();
    await render(null);
    await doing(() => first.resolve(workspace('slow')));
    expect(on.onDone).toHaveBeenCalledOnce();
    expect(on.onClose).not.toHaveBeenCalled();

    const second = later<Workspace>();
    rust.createWorkspace.mockReturnValueOnce(second.promise);
    await render(<CreateDialog {...on} />);
    await fill('#name', 'slow');
    await submit();
    await render(null);
    await doing(() => second.reject(new Error('Full.')));
    expect(on.onLate).toHaveBeenCalledExactlyOnceWith({ code: 'page.error', message: 'Full.' });
});

test('tabs are walked with the keyboard', async () => {
    await render(<CreateDialog {...on} />);
    await doing(() => named('Empty').focus());
    await press('ArrowLeft');
    expect(document.activeElement).toBe(named('Upload archive'));
    expect(one('[role=tab][aria-selected=true]').textContent).toBe('Upload archive');
    expect([...document.querySelectorAll<HTMLElement>('[role=tab]')].map(tab => tab.tabIndex)).toEqual([-1, -1, 0]);
    await press('ArrowRight');
    await press('End');
    await press('Home');
    expect(one('[role=tab][aria-selected=true]').textContent).toBe('Empty');
    expect(one('[role=tabpanel]').getAttribute('aria-labelledby')).toBe(named('Empty').id);
});

test('only an archive is taken', async () => {
    await render(<CreateDialog {...on} />);
    await doing(() => named('Upload archive').click());
    await submit();
    expect(one('[role=alert]').textContent).toContain('page.no_file');
    await choose('notes.pdf');
    expect(one('[role=alert]').textContent).toContain('page.no_archive');
    await submit();
    expect(rust.uploadWorkspace).not.toHaveBeenCalled();
    await choose('notes.tar.gz');
    expect(one('[role=alert]').textContent).toBe('');
    expect(one<HTMLInputElement>('#name').placeholder).toBe('notes');
});

test('an upload shows how far it is and ends with its dialogue', async () => {
    rust.uploadWorkspace.mockImplementation((_name: string, _file: File, progress: (done: number, total: number) => void, signal: AbortSignal) => {
        progress(500, 1000);
        return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(Object.assign(new Error('Cancelled.'), { code: 'call.cancelled' }))));
    });
    await render(<CreateDialog {...on} />);
    await doing(() => named('Upload archive').click());
    await choose('notes.zip');
    await submit();
    expect(one<HTMLProgressElement>('progress').value).toBe(500);
    expect(one('.progress-row').textContent).toBe('500 B of 1.0 kB');
    await doing(() => named('Empty').click());
    expect(one('[role=tab][aria-selected=true]').textContent).toBe('Upload archive');
    expect(rust.uploadWorkspace.mock.calls[0]?.[0]).toBe('notes');
    await doing(() => render(null));
    expect((rust.uploadWorkspace.mock.calls[0]?.[3] as AbortSignal).aborted).toBe(true);
    expect(on.onLate).not.toHaveBeenCalled();
});

test('work is deleted only once its name is typed', async () => {
    await render(<DeleteDialog workspace={workspace('precious')} {...on} />);
    expect(named('Delete for good').disabled).toBe(true);
    await fill('#confirm-name', 'Precious');
    await submit();
    expect(rust.deleteWorkspace).not.toHaveBeenCalled();
    await fill('#confirm-name', 'precious');
    await submit();
    expect(rust.deleteWorkspace).toHaveBeenCalledExactlyOnceWith('id-precious');
    expect(on.onDone).toHaveBeenCalledExactlyOnceWith('id-precious');
});

test('an import that becomes work under the open dialogue is treated as work', async () => {
    await render(<DeleteDialog workspace={workspace('soon', creating('Receiving objects', 99))} {...on} />);
    expect(named('Remove').disabled).toBe(false);
    expect(document.activeElement).toBe(named('Keep it as it is'));
    await render(<DeleteDialog workspace={workspace('soon')} {...on} />);
    expect(named('Delete for good').disabled).toBe(true);
    await submit();
    expect(rust.deleteWorkspace).not.toHaveBeenCalled();
});

test('a new name is trimmed; Escape and a closing browser close', async () => {
    rust.renameWorkspace.mockResolvedValue(workspace('new'));
    await render(<RenameDialog workspace={workspace('old')} {...on} />);
    await doing(() => one('dialog').dispatchEvent(new Event('cancel', { cancelable: true })));
    expect(on.onClose).toHaveBeenCalledOnce();
    await doing(() => one<HTMLDialogElement>('dialog').close());
    expect(on.onClose).toHaveBeenCalledTimes(2);
    await fill('#new-name', ' new ');
    await submit();
    expect(rust.renameWorkspace).toHaveBeenCalledExactlyOnceWith('id-old', 'new');
    expect(on.onDone).toHaveBeenCalledExactlyOnceWith(workspace('new'));
});
