// Repositories over HTTP as any git host serves them: git's own program behind a small gateway.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import os from 'node:os';
import path from 'node:path';

const HEAD_END = '\r\n\r\n';

/** An address of this machine that is not its loopback, which in a sandbox is the sandbox's own; undefined where there is none. */
export function outerAddress() {
    return Object.values(os.networkInterfaces()).flat().find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
}

/** Serves the repositories below a directory, to everybody or to who brings `credentials` (`name:secret`). */
export class GitServer {
    children = new Set();
    /** While set, what is asked waits for it. */
    held = undefined;

    static async start(root, credentials) {
        return new GitServer().listen(root, credentials, '127.0.0.1', 'http', answer => http.createServer(answer));
    }
    /** Over https, with a certificate of its own in the file {@link certificate}. */
    static async startSecure(root, credentials, address) {
        const server = new GitServer();
        server.certificate = path.join(root, 'certificate.pem');
        const key = path.join(root, 'key.pem');
        execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=git',
            '-addext', `subjectAltName=IP:${address}`, '-keyout', key, '-out', server.certificate], { stdio: 'pipe' });
        server.identity = { key: fs.readFileSync(key), cert: fs.readFileSync(server.certificate) };
        return server.listen(root, credentials, address, 'https', answer => https.createServer(server.identity, answer));
    }
    /** A second site at the address of a secure one, that sends everybody there. */
    static async startRedirecting(target) {
        const server = new GitServer();
        server.answer = ({ url }, response) => response.writeHead(302, { location: `https://${target.host}${url}` }).end();
        return server.listen(target.root, undefined, target.http.address().address, 'https', answer => https.createServer(target.identity, answer));
    }
    async listen(root, credentials, address, scheme, make) {
        this.root = root;
        this.scheme = scheme;
        this.expected = credentials && `Basic ${Buffer.from(credentials).toString('base64')}`;
        this.http = make((request, response) => this.answer(request, response)).listen(0, address);
        await new Promise(resolve => this.http.once('listening', resolve));
        return this;
    }
    /** Address and port. */
    get host() {
        const { address, port } = this.http.address();
        return `${address}:${port}`;
    }
    /** Address of a repository. */
    url(name, credentials) { return `${this.scheme}://${credentials ? `${credentials}@` : ''}${this.host}/${name}`; }

    /** Lets everything wait from now on; what this returns lets it go on. */
    hold() {
        let go;
        this.held = new Promise(resolve => go = resolve);
        return () => {
            this.held = undefined;
            go();
        };
    }

    async answer(request, response) {
        await this.held;
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
                HTTP_CONTENT_ENCODING: encoding, ...this.expected && { REMOTE_USER: 'known' },
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
