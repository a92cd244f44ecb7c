import { expect, test } from 'vitest';
import { loginHint } from './known';

test.each([
    ['', undefined],
    ['coditect_csrf=', undefined],
    ['coditect_csrf=abc', 'abc'],
    ['theme=dark; coditect_csrf=a=b; other=1', 'a=b'],
    ['xcoditect_csrf=abc', undefined],
])('cookies %j give %j', (cookies, hint) => {
    expect(loginHint(cookies)).toBe(hint);
});
