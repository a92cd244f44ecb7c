// Every door with every dialect of upstream behind it, each asked by the library of the door's own dialect.
import fs from 'node:fs';
import { after, before, test } from 'node:test';
import { DIALECTS, DOORS } from './harness/doors.mjs';
import { DIRECT, Ground, SCENE } from './harness/ground.mjs';
import { SCENARIOS, play } from './harness/scenarios.mjs';

const RESULTS = new URL('results/', import.meta.url);
const names = Object.keys(SCENARIOS);

let ground;
const cells = new Map();
before(async () => { ground = await Ground.start(); });
after(async () => {
    report();
    await ground?.stop();
});

for (const [dialect, Door] of Object.entries(DOORS)) {
    // Without a gateway there is nobody who translates.
    for (const upstream of DIRECT ? [dialect] : DIALECTS) {
        test(`door ${dialect}, upstream ${upstream}`, async t => {
            const door = new Door(ground.place(upstream));
            for (const name of names) {
                await t.test(name, SCENE, async () => {
                    const cell = `${dialect} ${upstream} ${name}`;
                    cells.set(cell, '✗');
                    await play(ground, name, door, upstream);
                    cells.set(cell, '✓');
                });
            }
        });
    }
}

/** What went well, as a table. */
function report() {
    const rows = DIALECTS.flatMap(door => DIALECTS.map(upstream => [door, upstream, ...names.map(name => cells.get(`${door} ${upstream} ${name}`) ?? '–')]));
    const lines = [['door', 'upstream', ...names], ['---', '---', ...names.map(() => '---')], ...rows].map(row => `| ${row.join(' | ')} |`);
    fs.mkdirSync(RESULTS, { recursive: true });
    fs.writeFileSync(new URL('matrix.md', RESULTS), `${lines.join('\n')}\n`);
    console.log(lines.join('\n'));
}
