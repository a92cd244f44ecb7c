// Trees of files for measurements: the same at each run, of words as programs have them.
import fs from 'node:fs';
import path from 'node:path';
import { commit } from '../harness/stack.mjs';

const WORDS = ['account', 'adapter', 'buffer', 'builder', 'cache', 'channel', 'client', 'command', 'config', 'context', 'cursor', 'decoder', 'driver', 'editor', 'encoder',
    'engine', 'entry', 'event', 'factory', 'filter', 'format', 'gateway', 'handler', 'header', 'index', 'journal', 'kernel', 'layout', 'ledger', 'limit', 'listener', 'loader',
    'logger', 'manager', 'matcher', 'message', 'metric', 'monitor', 'network', 'parser', 'payload', 'planner', 'policy', 'process', 'profile', 'provider', 'queue', 'reader',
    'record', 'registry', 'render', 'request', 'resolver', 'router', 'scanner', 'schema', 'server', 'session', 'signal', 'socket', 'storage', 'stream', 'table', 'token',
    'tracker', 'transport', 'updater', 'validator', 'watcher', 'widget', 'worker', 'writer'];
const ENDINGS = ['.rs', '.ts', '.tsx', '.py', '.go', '.md', '.json', '.toml', '.css', '.test.ts'];
const FILES_IN_FOLDER = 50;

/** What is in exactly so many files of the source tree, each once. */
export const NEEDLE = { text: 'quokka_4711_marker', files: 20 };
/** What many of its lines say. */
export const COMMON = { text: 'validator', regex: String.raw`\b(fn|let) [a-z]+_(queue|token)\w*\(` };

/** Whole numbers below `limit`, always the same ones (mulberry32). */
function numbers(seed) {
    let state = seed;
    return limit => {
        state = state + 0x6D2B79F5 | 0;
        let mixed = Math.imul(state ^ state >>> 15, 1 | state);
        mixed = mixed + Math.imul(mixed ^ mixed >>> 7, 61 | mixed) ^ mixed;
        return ((mixed ^ mixed >>> 14) >>> 0) % limit;
    };
}

/** Calls `write(path, index)` for so many files, a few dozen in each folder, several levels deep. */
function eachFile(count, next, write) {
    const word = () => WORDS[next(WORDS.length)];
    let folder = '';
    for (let index = 0; index < count; index += 1) {
        if (index % FILES_IN_FOLDER === 0) {
            folder = path.join(['packages', 'crates', 'services', 'tools'][next(4)], `${word()}-${word()}`, 'src', `${word()}${index / FILES_IN_FOLDER}`);
        }
        write(path.join(folder, `${word()}_${word()}${index % FILES_IN_FOLDER}${ENDINGS[next(ENDINGS.length)]}`), index);
    }
}

function writeInto(dir) {
    const known = new Set();
    return (file, content) => {
        const whole = path.join(dir, file);
        const folder = path.dirname(whole);
        if (!known.has(folder)) { fs.mkdirSync(folder, { recursive: true }); }
        known.add(folder);
        fs.writeFileSync(whole, content);
    };
}

/** Many small files: for what goes by names. */
export function makeWide(dir, count) {
    const next = numbers(1);
    const write = writeInto(dir);
    eachFile(count, next, (file, index) => write(file, `${index}\n`));
}

/** Files of about 4 kB that look like programs, in a git repository. */
export function makeSources(dir, count) {
    const next = numbers(2);
    const write = writeInto(dir);
    const word = () => WORDS[next(WORDS.length)];
    // Lines are taken from a stock: making each one anew would take minutes.
    const stock = Array.from({ length: 5000 }, () => `    let ${word()}_${word()} = ${word()}.${word()}(${word()}, ${next(1000)});\n`);
    stock.push(...Array.from({ length: 500 }, () => `fn ${word()}_${word()}(${word()}: &str) {\n`));
    const every = Math.floor(count / NEEDLE.files);
    eachFile(count, next, (file, index) => {
        const lines = Array.from({ length: 40 + next(100) }, () => stock[next(stock.length)]);
        if (index % every === every - 1 && index < every * NEEDLE.files) { lines.splice(next(lines.length), 0, `// ${NEEDLE.text}\n`); }
        write(file, lines.join(''));
    });
    commit(dir, 'everything');
}
