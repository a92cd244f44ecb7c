import { expect, test } from 'vitest';
import { ago, bytes } from './time';

test('times', () => {
    const now = 1_700_000_000_000;
    expect(ago(now - 5_000, now)).toBe('just now');
    expect(ago(now - 61_000, now)).toBe('1 minute ago');
    expect(ago(now - 3 * 3_600_000, now)).toBe('3 hours ago');
    expect(ago(now - 86_400_000, now)).toBe('yesterday');
});

test('sizes', () => {
    expect(bytes(0)).toBe('0 B');
    expect(bytes(999)).toBe('999 B');
    expect(bytes(1_400_000)).toBe('1.4 MB');
    expect(bytes(250_000_000)).toBe('250 MB');
});
