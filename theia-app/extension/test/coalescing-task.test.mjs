import assert from 'node:assert/strict';
import { test } from 'node:test';
import module from '../lib/browser/scm/coalescing-task.js';

const { CoalescingTask } = module;

/** Work that ends when told. */
function controlled() {
    const runs = [];
    const work = () => new Promise((resolve, reject) => runs.push({ resolve, reject }));
    return { runs, work };
}

const settled = () => new Promise(resolve => setImmediate(resolve));

test('never runs twice at once, and once more for all who asked meanwhile', async () => {
    const { runs, work } = controlled();
    const task = new CoalescingTask(work, 1, 1);
    const first = task.now();
    const [second, third] = [task.now(), task.now()];
    assert.equal(runs.length, 1);
    runs[0].resolve();
    await first;
    await settled();
    assert.equal(runs.length, 2);
    runs[1].resolve();
    await Promise.all([second, third]);
    await settled();
    assert.equal(runs.length, 2);
});

test('a failure is told to who waited for that run, and the next one runs', async () => {
    const { runs, work } = controlled();
    const task = new CoalescingTask(work, 1, 1);
    const first = task.now();
    const second = task.now();
    runs[0].reject(new Error('no'));
    await assert.rejects(first, /no/);
    await settled();
    runs[1].resolve();
    await second;
});

test('announcements wait for quiet, but not for ever', t => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    const pass = ms => {
        now += ms;
        t.mock.timers.tick(ms);
    };
    let count = 0;
    const task = new CoalescingTask(async () => { count++; }, 100, 250);
    task.soon();
    for (let step = 0; step < 4; step++) {
        pass(60);
        assert.equal(count, 0);
        task.soon();
    }
    pass(10);
    assert.equal(count, 1, 'the longest time is over');
    task.soon();
    task.cancel();
    pass(1000);
    assert.equal(count, 1);
});
