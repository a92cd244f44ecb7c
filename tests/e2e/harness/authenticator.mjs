// An authenticator (RFC 6238): SHA-1, six digits, steps of 30 s.
import { createHmac } from 'node:crypto';
import { eventually } from './process.mjs';

const STEP_MS = 30_000;
/** Longest wait for a step whose code was not used yet, in milliseconds. */
const LIMIT_MS = 2 * STEP_MS;
/** How long a code must stay good, for it to be typed and to arrive, in milliseconds. */
const TYPING_MS = 8_000;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

function bytesOf(base32) {
    const bits = [...base32].map(letter => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('');
    return Buffer.from(bits.match(/.{8}/g).map(byte => parseInt(byte, 2)));
}

/** What a phone does with the secret. A server takes each code once, and those of the steps beside the present one. */
export class Authenticator {
    last = 0;

    constructor(secret) { this.key = bytesOf(secret.replaceAll(' ', '')); }

    code(step) {
        const counter = Buffer.alloc(8);
        counter.writeBigUInt64BE(BigInt(step));
        const mac = createHmac('sha1', this.key).update(counter).digest();
        const at = mac.at(-1) & 0x0f;
        return String((mac.readUInt32BE(at) & 0x7fff_ffff) % 1_000_000).padStart(6, '0');
    }
    /** A code that was not used yet and is good now: that of the step before first, so that others are left. */
    async next() {
        await eventually('a code that was not used yet', () => this.last < Math.floor(Date.now() / STEP_MS) + 1, LIMIT_MS);
        this.last = Math.max(this.last + 1, Math.floor((Date.now() + TYPING_MS) / STEP_MS) - 1);
        return this.code(this.last);
    }
}
