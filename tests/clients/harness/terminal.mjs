// A terminal as the IDE starts it, by hand: just enough of the link to ask for one.
import assert from 'node:assert/strict';
import WebSocket from 'ws';

/** Versions and kinds of `protocol/src/link.rs`. */
const PROTOCOL_VERSION = 2;
const [HELLO, WELCOME, DATA, BYE] = [1, 2, 3, 7];

const size16 = (tag, length) => Buffer.from([tag, length >> 8, length & 0xff]);

/** MessagePack of what a call is made of: nothing, small numbers, texts, bytes, lists and objects. */
function pack(value) {
    if (value === null) { return Buffer.from([0xc0]); }
    if (Number.isInteger(value) && value >= 0 && value < 0x80) { return Buffer.from([value]); }
    if (typeof value === 'string') { return Buffer.concat([size16(0xda, Buffer.byteLength(value)), Buffer.from(value)]); }
    if (Buffer.isBuffer(value)) { return Buffer.concat([Buffer.from([0xc4, value.length]), value]); }
    if (Array.isArray(value)) { return Buffer.concat([size16(0xdc, value.length), ...value.map(pack)]); }
    const entries = Object.entries(value);
    return Buffer.concat([size16(0xde, entries.length), ...entries.flat().map(pack)]);
}

/** Starts a terminal in a workspace, which runs a shell with this script; it is there once the script has written what it writes. */
export async function startTerminal(url, session, workspace, script) {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}api/v5/ws`, { headers: { authorization: `Bearer ${session}` } });
    const next = () => new Promise((resolve, reject) => {
        socket.once('message', resolve);
        socket.once('error', reject);
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.send(Buffer.concat([Buffer.from([HELLO]), pack({ protocol: PROTOCOL_VERSION, resume: null, user: null })]));
    assert.equal((await next())[0], WELCOME);
    const id = Buffer.from(workspace.replaceAll('-', ''), 'hex');
    const request = { CreateTerminal: { workspace: id, spec: { program: '/bin/sh', args: ['-c', script] } } };
    const first = Buffer.from([DATA, 1, 0, 0, 0, 0, 0, 0, 0]);
    socket.send(Buffer.concat([first, pack({ Call: { id: 1, request } })]));
    for (; ;) {
        const answer = await next();
        assert.notEqual(answer[0], BYE, answer.toString());
        if (answer[0] === DATA) {
            assert.ok(answer.includes('Terminal'), answer.toString());
            return () => socket.close();
        }
    }
}
