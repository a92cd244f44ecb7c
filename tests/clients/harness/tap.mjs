// A place between the gateway and an upstream that keeps what went by: what was asked, with what key, and whether the asker stayed to the end.
import http from 'node:http';
import net from 'node:net';
import { buffer } from 'node:stream/consumers';
import { eventually } from '../../e2e/harness/process.mjs';

/** Longest that it may take until the upstream knows that nobody listens any more, in milliseconds. */
const CLOSED_MS = 10_000;

/** One request as the upstream saw it. */
class Seen {
    constructor(request, body) {
        const url = new URL(request.url, 'http://upstream');
        Object.assign(this, { method: request.method, path: url.pathname, query: url.search, headers: request.headers, body, begun: false, left: false, answered: false });
    }
    get json() { return JSON.parse(this.body); }
    /** All that is in it, to look for what must not be there. */
    get text() { return `${this.path}${this.query} ${JSON.stringify(this.headers)} ${this.body}`; }
}

/**
 * An upstream that is another server's, with some routes of its own: `own(seen)` answers a value for JSON, or nothing to ask the other.
 * `mend` changes the text of what the other answers.
 */
export class Tap {
    static async start(to, { own = () => undefined, mend } = {}) {
        const tap = new Tap();
        Object.assign(tap, { to: new URL(to), own, mend, seen: [], sockets: new Set() });
        // A connection that is kept open must not close just when it is used again.
        tap.server = http.createServer({ keepAliveTimeout: 0 }, (request, response) => tap.pass(request, response));
        tap.server.on('upgrade', (request, socket, head) => tap.passSocket(request, socket, head));
        await new Promise(resolve => tap.server.listen(0, '127.0.0.1', resolve));
        tap.url = `http://127.0.0.1:${tap.server.address().port}`;
        return tap;
    }
    async pass(request, response) {
        const body = await buffer(request).catch(() => undefined);
        // Who asked went away in the middle.
        if (body === undefined) { return; }
        const seen = new Seen(request, body.toString('utf8'));
        this.seen.push(seen);
        const answer = this.own(seen);
        response.once('close', () => {
            seen.left = !response.writableFinished;
            seen.answered = response.writableFinished;
        });
        if (answer !== undefined) {
            response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
            return;
        }
        const { hostname, port } = this.to;
        const asked = { hostname, port, method: request.method, path: seen.onward ?? request.url, headers: request.headers, agent: false };
        const onward = http.request(asked, answer => {
            answer.once('data', () => { seen.begun = true; });
            const { 'content-length': length, ...headers } = answer.headers;
            response.writeHead(answer.statusCode, this.mend ? headers : answer.headers);
            // An answer that breaks off must break off here too.
            answer.once('aborted', () => response.destroy());
            if (!this.mend) { return answer.pipe(response); }
            answer.setEncoding('utf8').on('data', text => response.write(this.mend(text))).once('end', () => response.end());
        });
        response.once('close', () => onward.destroy());
        onward.once('error', () => response.destroy());
        onward.end(body);
    }
    /** A WebSocket: what is said on it is not looked at. */
    passSocket(request, socket, head) {
        const lines = [`${request.method} ${request.url} HTTP/1.1`];
        for (let at = 0; at < request.rawHeaders.length; at += 2) { lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`); }
        const onward = net.connect(Number(this.to.port), this.to.hostname, () => {
            onward.write(`${lines.join('\r\n')}\r\n\r\n`);
            onward.write(head);
            socket.pipe(onward).pipe(socket);
        });
        const end = () => { socket.destroy(); onward.destroy(); };
        [socket, onward].forEach(side => side.once('error', end).once('close', end));
        this.seen.push(new Seen(request, ''));
        this.sockets.add(socket);
    }
    /** Waits until a request that `is` the one wanted has been closed, and answers it. */
    closed(is) {
        return eventually('the upstream to be left', () => this.seen.find(seen => (seen.left || seen.answered) && is(seen)), CLOSED_MS);
    }
    /** What was asked since the last time. */
    take() { return this.seen.splice(0); }

    async stop() {
        this.sockets.forEach(socket => socket.destroy());
        this.server.closeAllConnections();
        await new Promise(resolve => this.server.close(resolve));
    }
}
