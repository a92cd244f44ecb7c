import type { Setting } from 'coditect-shell';
import { expect, test } from 'vitest';
import { draftOf, enteredValue, namesOf, pluginsAddress, policyOf, shownValue, wrongName } from './plugins';

test('addresses keep what was typed apart', () => {
    expect(pluginsAddress(undefined)).toBe('/account/plugins');
    expect(pluginsAddress('w&x', 'a.b')).toBe('/account/plugins?workspace=w%26x&plugin=a.b');
});

test('names of plugins', () => {
    expect(namesOf(' a.b \n\nc.*\na.b')).toEqual(['a.b', 'c.*']);
    expect(wrongName(['a.b', 'acme.*', 'a-1.todo-tree'])).toBeUndefined();
    for (const wrong of ['a', '*', '*.b', 'A.b', 'a.b.c', 'a._', 'a.-b', '.b', 'a.']) {
        expect(wrongName(['a.b', wrong]), wrong).toBe(wrong);
    }
});

test('a policy stays itself through the form', () => {
    for (const policy of [
        { block: [], publish: 'admins' as const, files: false, private_hosts: false },
        { allow: [], block: ['a.b'], publish: 'nobody' as const, files: true, private_hosts: true },
        { allow: ['acme.*', 'x.y'], block: [], publish: 'everybody' as const, files: false, private_hosts: false },
    ]) {
        expect(policyOf(draftOf(policy))).toEqual(policy);
    }
    expect(policyOf({ ...draftOf({}), allow: 'a.b' })).not.toHaveProperty('allow');
});

test('a setting is JSON, and a secret is shown to nobody', () => {
    const setting = (kind: Setting['kind'], usual: string, choices: string[] = []): Setting => ({ id: 's', title: 'S', kind, default: usual, choices });
    expect(shownValue(setting('text', '"usual"'), undefined)).toBe('usual');
    expect(shownValue(setting('number', '3'), '4.5')).toBe('4.5');
    expect(shownValue(setting('secret', '""'), 'true')).toBe('');
    expect(shownValue(setting('text', 'broken'), undefined)).toBe('');
    expect(enteredValue(setting('number', '3'), ' 1e3 ')).toBe('1000');
    expect(enteredValue(setting('number', '3'), 'many')).toBeUndefined();
    expect(enteredValue(setting('number', '3'), '')).toBeUndefined();
    expect(enteredValue(setting('choice', '"a"', ['a', 'b']), 'b')).toBe('"b"');
    expect(enteredValue(setting('choice', '"a"', ['a', 'b']), 'c')).toBeUndefined();
    expect(enteredValue(setting('text', '""'), 'true')).toBe('"true"');
    expect(enteredValue(setting('boolean', 'false'), 'true')).toBe('true');
});
