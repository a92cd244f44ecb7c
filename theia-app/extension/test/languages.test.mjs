import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';

const { languages, embedded } = JSON.parse(fs.readFileSync(new URL('../src/browser/languages/languages.json', import.meta.url), 'utf8'));

test('each file belongs to one language', () => {
    for (const key of ['id', 'extensions', 'filenames', 'aliases']) {
        const seen = new Map();
        for (const language of languages) {
            for (const value of [language[key] ?? []].flat()) {
                assert.ok(!seen.has(value), `${value} belongs to ${seen.get(value)} and to ${language.id}`);
                seen.set(value, language.id);
            }
        }
    }
});

test('a scope has one grammar', () => {
    const grammars = new Map();
    for (const { scope, grammar } of [...languages, ...embedded]) {
        assert.equal(grammars.get(scope) ?? grammar, grammar, scope);
        grammars.set(scope, grammar);
    }
});

test('first lines are regular expressions', () => {
    const language = line => languages.find(({ firstLine }) => firstLine && new RegExp(firstLine).test(line))?.id;
    assert.equal(language('#!/usr/bin/env python3'), 'python');
    assert.equal(language('#!/bin/bash -e'), 'shellscript');
    assert.equal(language('#!/usr/bin/env node'), 'javascript');
    assert.equal(language('# python'), undefined);
});
