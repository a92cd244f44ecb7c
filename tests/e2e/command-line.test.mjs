// Bad input to the server's program: it ends with a status, one sentence and a code, and leaves nothing behind.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { run } from './harness/command-line.mjs';

/** Exit status for wrong flags, variables and files, and for a server that cannot start. */
const CONFIGURATION = 2;
const START = 1;

let dir;
before(() => { dir = fs.mkdtempSync(path.join(os.tmpdir(), 'coditect-e2e-')); });
after(() => fs.rmSync(dir, { recursive: true, force: true }));

const dataDir = () => path.join(dir, 'data');

/** The program must refuse with `code` and a sentence like `text`. */
async function refuses({ listen = '127.0.0.1:0', data = dataDir(), args = [], env, status, code, text }) {
    const ended = await run(['serve', '--listen', listen, '--data', data, ...args], { env });
    assert.equal(ended.status, status, ended.stderr);
    const line = ended.stderr.split('\n').find(written => written.startsWith('coditect-v5-api: '));
    assert.ok(line?.endsWith(`(${code})`), `expected (${code}): ${ended.stderr}`);
    assert.match(line, text);
    assert.doesNotMatch(ended.stderr, /panicked|RUST_BACKTRACE/);
}

function file(name, content) {
    const at = path.join(dir, name);
    fs.writeFileSync(at, content);
    return at;
}

test('an occupied port', async t => {
    const other = net.createServer().listen(0, '127.0.0.1');
    t.after(() => other.close());
    await new Promise(resolve => other.once('listening', resolve));
    const address = `127.0.0.1:${other.address().port}`;
    await refuses({ listen: address, status: START, code: 'server.address_in_use', text: new RegExp(`: ${address} is in use by another program; .*--listen`) });
    assert.ok(!fs.existsSync(dataDir()), 'nothing was made');
});

test('an unknown setting in the file, with its line and the nearest one', async () => {
    const config = file('unknown.toml', 'log = "info"\nlisen = "127.0.0.1:0"\n');
    await refuses({ args: ['--config', config], status: CONFIGURATION, code: 'config.unknown_setting', text: /unknown\.toml, line 2: .*`lisen`.*did you mean `listen`/ });
});

test('a file that is not TOML, that has a value of the wrong kind, or that is not there', async () => {
    await refuses({ args: ['--config', file('broken.toml', 'log = [')], status: CONFIGURATION, code: 'config.malformed', text: /broken\.toml/ });
    await refuses({ args: ['--config', file('kind.toml', 'import_http = "perhaps"')], status: CONFIGURATION, code: 'config.malformed', text: /kind\.toml.*boolean/ });
    await refuses({ args: ['--config', path.join(dir, 'none.toml')], status: CONFIGURATION, code: 'config.unreadable', text: /none\.toml/ });
});

test('an unknown flag, and values that a flag or a variable does not take', async () => {
    await refuses({ listen: 'nowhere', status: CONFIGURATION, code: 'config.flags', text: /'nowhere'.*--listen/ });
    await refuses({ args: ['--lissen', 'x'], status: CONFIGURATION, code: 'config.flags', text: /--lissen/ });
    await refuses({ args: ['--import-http', 'perhaps'], status: CONFIGURATION, code: 'config.flags', text: /'perhaps'.*--import-http/ });
    await refuses({ env: { CODITECT_TERMINALS_PER_WORKSPACE: 'many' }, status: CONFIGURATION, code: 'config.flags', text: /'many'/ });
    await refuses({ args: ['--llm-upstream', 'nameless'], status: CONFIGURATION, code: 'config.flags', text: /NAME=URL/ });
    await refuses({ args: ['--log-format', 'verse'], status: CONFIGURATION, code: 'config.log', text: /`verse`.*`text` or `json`/ });
    await refuses({ args: ['--cors-origins', 'example.org'], status: START, code: 'config.bad_value', text: /cors_origins.*example\.org/ });
    await refuses({ args: ['--sandbox', 'sieve'], status: START, code: 'sandbox.invalid', text: /sieve/ });
});

test('a data directory that cannot be made or written', async () => {
    const beneath = path.join(file('a-file', 'kept'), 'data');
    await refuses({ data: beneath, status: START, code: 'server.data', text: /the data directory .*a-file\/data cannot be used/ });
    assert.equal(fs.readFileSync(path.join(dir, 'a-file'), 'utf8'), 'kept');
});

test('stores that this machine does not have or that are none', async () => {
    await refuses({ args: ['--store', `fdb://${dir}/none.cluster`], status: START, code: 'store.fdb_cluster_file', text: /none\.cluster.*description:id@host:port/ });
    const cluster = file('fdb.cluster', 'test:test@127.0.0.1:4500\n');
    await refuses({ args: ['--store', `fdb://${cluster}`], env: { CODITECT_FDB_LIBRARY: '/no/such/libfdb_c.so' }, status: START, code: 'store.fdb_library_missing', text: /foundationdb-clients/ });
    await refuses({ args: ['--store', 'postgres://somewhere'], status: START, code: 'store.bad_url', text: /embedded:\/\// });
    fs.mkdirSync(path.join(dir, 'photos'));
    file('photos/one.jpg', 'a picture');
    await refuses({ args: ['--store', `embedded://${path.join(dir, 'photos')}`], status: START, code: 'store.not_a_store', text: /photos/ });
    assert.equal(fs.readFileSync(path.join(dir, 'photos/one.jpg'), 'utf8'), 'a picture');
});

test('help and version are no failure', async () => {
    const help = await run(['serve', '--help']);
    assert.equal(help.status, 0);
    assert.match(help.stdout, /--listen/);
    assert.match((await run(['--version'])).stdout, /^coditect-v5-api \d+\.\d+\.\d+/);
    assert.equal((await run([])).status, CONFIGURATION);
});
