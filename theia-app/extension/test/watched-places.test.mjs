import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRequire } from 'node:module';

const { WatchedPlaces } = createRequire(import.meta.url)('../lib/browser/files/watched-places.js');

test('what everybody who watches it has excluded is not handed on', () => {
    const places = new WatchedPlaces();
    assert.ok(places.wants('/w/out/a'));
    places.add('/w', ['**/out/**', '**/*.log']);
    const check = (path, expected) => assert.equal(places.wants(path), expected, path);
    check('/w/src/a', true);
    check('/w/out/a', false);
    check('/w/src/a.log', false);
    check('/other/out/a', true);
    const own = places.add('/w/out', []);
    check('/w/out/a', true);
    own.dispose();
    check('/w/out/a', false);
});
