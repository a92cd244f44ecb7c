import assert from 'node:assert/strict';
import { test } from 'node:test';
import module from '../lib/browser/plugins/text-watch.js';

const { QUIET_MS, TextWatch } = module;

/** A text whose events a test fires. */
function text(isShown) {
    const listeners = { content: [], language: [], attached: [], dispose: [] };
    const on = name => listener => {
        listeners[name].push(listener);
        return { dispose: () => listeners[name].splice(listeners[name].indexOf(listener), 1) };
    };
    return {
        isShown,
        isAttachedToEditor() { return this.isShown; },
        onDidChangeContent: on('content'), onDidChangeLanguage: on('language'), onDidChangeAttached: on('attached'), onWillDispose: on('dispose'),
        fire(name) { [...listeners[name]].forEach(listener => listener()); },
        count: () => Object.values(listeners).flat().length
    };
}

function watched(t, isShown) {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const shown = text(isShown);
    const signals = [];
    let left = 0;
    const watch = new TextWatch(shown, async signal => { signals.push(signal); }, () => left++);
    return { shown, signals, watch, left: () => left, quiet: () => t.mock.timers.tick(QUIET_MS), tick: ms => t.mock.timers.tick(ms) };
}

test('a text is looked at when it is quiet, and what is under way for an older one is given up', t => {
    const { shown, signals, quiet, tick } = watched(t, true);
    quiet();
    assert.equal(signals.length, 1);
    for (let key = 0; key < 10; key++) {
        shown.fire('content');
        tick(QUIET_MS - 1);
    }
    assert.equal(signals.length, 1);
    assert.ok(signals[0].aborted, 'the text is another one');
    quiet();
    assert.equal(signals.length, 2);
    assert.equal(signals[1].aborted, false);
});

test('nothing is looked at that nobody sees', t => {
    const { shown, signals, quiet, left } = watched(t, false);
    quiet();
    shown.fire('content');
    quiet();
    assert.equal(signals.length, 0);
    shown.isShown = true;
    shown.fire('attached');
    quiet();
    assert.equal(signals.length, 1);
    shown.isShown = false;
    shown.fire('attached');
    assert.ok(signals[0].aborted);
    assert.equal(left(), 1, 'what was said of it goes');
});

test('nothing is left of one that is over', t => {
    const { shown, signals, watch, quiet, left } = watched(t, true);
    watch.dispose();
    quiet();
    assert.deepEqual([signals.length, shown.count(), left()], [0, 0, 1]);
});
