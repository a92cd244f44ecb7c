// Repositories over HTTP as any git host serves them: git's own program behind a small gateway.
import { spawn } from 'node:child_process';
import http from 'node:http';

const HEAD_END = '\r\n\r\n';

/** Serves the repositories below a directory, to everybody or to who brings `credentials` (`name:secret`). */
export class GitServer {
    children = new Set();

    static async start(root, credentials) {
        const server = new GitServer();
        server.root = root;
        server.expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
        server.http = http.createServer((request, response) => server.answer(request, response)).listen(0, '127.0.0.1');
        await new Promise(resolve => server.http.once('listening', resolve));
        return server;
    }
    /** Address of a repository. */
    url(name, credentials) { return `http://${credentials ? `${credentials}@` : ''}127.0.0.1:${this.http.address().port}/${name}`; }

    answer(request, response) {
        if (this.expected && request.headers.authorization !== this.expected) {
            response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end();
            return;
        }
        const { pathname, searchParams } = new URL(request.url, 'http://localhost');
        const { 'content-type': type = '', 'content-length': length = '', 'content-encoding': encoding = '', 'git-protocol': protocol = '' } = request.headers;
        const backend = spawn('git', ['http-backend'], {
            stdio: ['pipe', 'pipe', 'inherit'],
            env: {
                ...process.env, GIT_PROJECT_ROOT: this.root, GIT_HTTP_EXPORT_ALL: '1', GIT_PROTOCOL: protocol, REQUEST_METHOD: request.method,
                PATH_INFO: decodeURIComponent(pathname), QUERY_STRING: searchParams.toString(), CONTENT_TYPE: type, CONTENT_LENGTH: length,
                HTTP_CONTENT_ENCODING: encoding,
            },
        });
        this.children.add(backend);
        backend.once('close', () => this.children.delete(backend));
        backend.once('error', () => response.destroy());
        // It may have its answer before it has read everything.
        backend.stdin.on('error', () => undefined);
        request.pipe(backend.stdin);
        pass(backend.stdout, response);
    }
    async stop() {
        const closed = new Promise(resolve => this.http.close(resolve));
        this.http.closeAllConnections();
        this.children.forEach(child => child.kill('SIGKILL'));
        await closed;
    }
}

/** Turns what a gateway's program writes (a head, an empty line, the body) into an answer. */
function pass(output, response) {
    let head = '';
    output.on('data', chunk => {
        if (response.headersSent) {
            response.write(chunk);
            return;
        }
        head += chunk.toString('latin1');
        const end = head.indexOf(HEAD_END);
        if (end < 0) { return; }
        const fields = head.slice(0, end).split('\r\n').map(line => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]);
        const { status = '200', ...headers } = Object.fromEntries(fields);
        response.writeHead(Number.parseInt(status, 10), headers);
        response.write(Buffer.from(head.slice(end + HEAD_END.length), 'latin1'));
    });
    output.once('end', () => response.end());
}
