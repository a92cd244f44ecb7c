import { expect, test } from 'vitest';
import { plainPath, safeNext } from './next';

const origin = 'https://ide.example';

test.each([
    ['/theia/?workspace=1#x', '/theia/?workspace=1#x'],
    ['/dashboard', '/dashboard'],
    [null, '/dashboard'],
    ['', '/dashboard'],
    ['//evil.example/x', '/dashboard'],
    ['/\\evil.example', '/dashboard'],
    ['/\t/evil.example', '/dashboard'],
    ['https://evil.example', '/dashboard'],
    ['javascript:alert(1)', '/dashboard'],
    ['/a/../b', '/b'],
    ['/login?next=/login', '/dashboard'],
    ['/login/', '/dashboard'],
    ['/x/../register', '/dashboard'],
])('%s leads to %s', (wanted, expected) => {
    expect(safeNext(wanted, origin)).toBe(expected);
});

test.each([['/', '/'], ['/login/', '/login'], ['/login//', '/login'], ['//', '/'], ['/a/b', '/a/b']])('%s is the page %s', (path, plain) => {
    expect(plainPath(path)).toBe(plain);
});
