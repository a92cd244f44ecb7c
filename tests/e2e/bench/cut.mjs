// A network that can be cut, and that counts: everything goes through it, or nothing.
import net from 'node:net';

export class Cut {
    /** Listens in front of `port`. */
    static async before(port) {
        const cut = new Cut();
        cut.sockets = new Set();
        /** Bytes that came from behind it, with all heads and frames. */
        cut.received = 0;
        cut.closed = false;
        cut.server = net.createServer({ noDelay: true }, near => cut.#join(near, port));
        await new Promise((resolve, reject) => cut.server.once('error', reject).listen(0, '127.0.0.1', resolve));
        cut.url = `http://127.0.0.1:${cut.server.address().port}/`;
        return cut;
    }
    #join(near, port) {
        near.on('error', () => near.destroy());
        if (this.closed) {
            near.resetAndDestroy();
            return;
        }
        const far = net.connect({ host: '127.0.0.1', port, noDelay: true });
        far.on('error', () => far.destroy());
        far.on('data', data => { this.received += data.length; });
        for (const [from, to] of [[near, far], [far, near]]) {
            this.sockets.add(from);
            from.pipe(to);
            from.once('close', () => {
                this.sockets.delete(from);
                to.destroy();
            });
        }
    }
    /** Breaks every connection as it is, with what is under way in it. */
    reset() {
        for (const socket of this.sockets) { socket.resetAndDestroy(); }
    }
    /** The same, and nobody gets through until `restore`. */
    sever() {
        this.closed = true;
        this.reset();
    }
    restore() { this.closed = false; }

    async stop() {
        this.sever();
        await new Promise(resolve => this.server.close(resolve));
    }
}
