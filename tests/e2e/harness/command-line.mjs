// The server's program run to its end: what it says when it cannot start.
import { execFile } from 'node:child_process';
import { parts } from './stack.mjs';

/** Longest that a program which refuses to start may take, in milliseconds. */
const LIMIT_MS = 20_000;

/** Runs the program and answers its exit status and what it wrote; it must end by itself. */
export function run(args, { env = {} } = {}) {
    return new Promise((resolve, reject) => {
        execFile(parts.server, args, { timeout: LIMIT_MS, env: { PATH: process.env.PATH, ...env } }, (error, stdout, stderr) => {
            if (error && typeof error.code !== 'number') {
                reject(new Error(`${args.join(' ')} did not end by itself: ${error.message}\n${stderr}`));
            } else {
                resolve({ status: error?.code ?? 0, stdout, stderr });
            }
        });
    });
}
