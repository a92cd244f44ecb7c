import { beforeEach, expect, test, vi } from 'vitest';
import { doing, one, render } from '../test/render';
import { DiskUse } from './DiskUse';

const workspaceUsage = vi.fn();
vi.mock('../shell', () => ({ shell: async () => ({ workspaceUsage }) }));

const usage = (bytes: number, quota_bytes?: number) => ({ bytes, entries: 1, trash_bytes: 1_500, quota_bytes });

beforeEach(() => workspaceUsage.mockReset());

test('what a workspace takes is shown with its quota, and marked when that is nearly used up', async () => {
    workspaceUsage.mockResolvedValueOnce(usage(1_400_000, 10_000_000));
    await render(<DiskUse id="a" />);
    await doing(() => undefined);
    expect(one('span').textContent).toBe('1.4 MB of 10.0 MB');
    expect(one('span').className).toBe('');
    expect(one('span').title).toContain('1.5 kB');
    workspaceUsage.mockResolvedValueOnce(usage(9_500_000, 10_000_000));
    await render(<DiskUse id="b" />);
    await doing(() => undefined);
    expect(one('span').className).toBe('scarce');
});

test('without a quota only the size, and nothing where it is not known', async () => {
    workspaceUsage.mockRejectedValueOnce(new Error('gone'));
    await render(<DiskUse id="c" />);
    await doing(() => undefined);
    expect(document.querySelector('span')).toBeNull();
    workspaceUsage.mockResolvedValueOnce(usage(2_000));
    await render(<DiskUse id="d" />);
    await doing(() => undefined);
    expect(one('span').textContent).toBe('2.0 kB');
});
