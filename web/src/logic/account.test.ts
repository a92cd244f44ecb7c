import { expect, test } from 'vitest';
import { inGroups, isWholeTotp, isWholeUserCode, plainCode, svgAddress, userCode } from './codes';
import { faultyField } from './faults';
import { inviteLink, loginPath, resetLink, resetOf } from './links';
import { passwordHint } from './password';
import { isLoggedOut } from './problem';
import { until } from './time';

const rules = { password_min_chars: 12, password_max_chars: 20 };

test.each([
    ['', 'Take 12 characters or more.'],
    ['short', '5 of at least 12 characters.'],
    ['violet teapot', '13 characters, long enough.'],
    ['x'.repeat(21), '21 characters; 20 are the most.'],
    // Twelve characters for the server, twenty-four halves for JavaScript.
    ['😀'.repeat(12), '12 characters, long enough.'],
])('the hint beside the password %j', (password, expected) => {
    expect(passwordHint(password, rules)).toContain(expected);
});

test('without the rules the hint claims nothing about them', () => {
    expect(passwordHint('short', undefined)).not.toMatch(/\d/);
});

test('codes as people type them', () => {
    expect(plainCode(' 123 456\n')).toBe('123456');
    expect(['123456', '123 456', '12345', '1234567', 'abcdef'].map(isWholeTotp)).toEqual([true, true, false, false, false]);
    expect(userCode('bcdf')).toBe('BCDF');
    expect(userCode('bcdf ghjk')).toBe('BCDF-GHJK');
    expect(userCode('BCDF-GHJK-MNPQ')).toBe('BCDF-GHJK');
    expect(userCode('../x')).toBe('X');
    expect([isWholeUserCode('bcdfghjk'), isWholeUserCode('bcdf-ghj')]).toEqual([true, false]);
    expect(inGroups('JBSWY3DPEHPK3')).toBe('JBSW Y3DP EHPK 3');
});

test('a picture as an address holds any character', () => {
    expect(atob(svgAddress('<svg>é</svg>').replace(/^data:image\/svg\+xml;base64,/, ''))).toBe('<svg>Ã©</svg>');
});

test('links hold any name and code', () => {
    const link = resetLink('a+b&c@example.org', 'X=Y#Z', 'https://ide.example');
    expect(new URL(link).search).toBe('');
    expect(resetOf(new URL(link).hash)).toEqual({ login: 'a+b&c@example.org', code: 'X=Y#Z' });
    expect(resetOf('')).toEqual({ login: '', code: '' });
    expect(new URL(inviteLink('A&B', 'https://ide.example')).searchParams.get('invite')).toBe('A&B');
    expect(loginPath({ pathname: '/device', search: '?code=BCDF-GHJK' })).toBe('/login?next=/device%3Fcode%3DBCDF-GHJK');
});

test('a problem leads to a field only where the form has it', () => {
    expect(faultyField('auth.weak_password', ['login', 'password'])).toBe('password');
    expect(faultyField('auth.weak_password', ['current-password', 'new-password'])).toBe('new-password');
    expect(faultyField('auth.wrong_password', ['login'])).toBeUndefined();
    expect(faultyField(undefined, ['login'])).toBeUndefined();
    expect(faultyField('toString', ['login'])).toBeUndefined();
});

test('a wrong code is no reason to log in anew', () => {
    const refused = (code: string) => isLoggedOut({ code, message: '', kind: 'unauthenticated' });
    expect([refused('auth.session_ended'), refused('auth.second_factor_wrong'), refused('auth.bad_credentials')]).toEqual([true, false, false]);
});

test('times ahead', () => {
    const now = 1_700_000_000_000;
    expect(until(now + 30 * 86_400_000 - 5_000, now)).toBe('in 30 days');
    expect(until(now + 31 * 86_400_000, now)).toBe('next month');
    expect(until(now + 7 * 86_400_000 - 5_000, now)).toBe('in 7 days');
    expect(until(now + 30 * 60_000 - 2_000, now)).toBe('in 30 minutes');
    expect(until(now + 5_000, now)).toBe('in a moment');
    expect(until(now, now)).toBe('over');
});
