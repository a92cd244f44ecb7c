/**
 * The bundle step of `theia build`, which leaves this file alone as long as it imports gen-esbuild.browser.mjs.
 *
 * What is sent to the browser is named after its content and referred to by relative addresses, so that it can be cached for ever and
 * served below any path. Only index.html keeps its name.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';
import { writeAssets } from '../extension/assets.mjs';
import { browserOptions, watch } from './gen-esbuild.browser.mjs';
import { lean } from './lean.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const lib = path.join(here, 'lib');
/** Built aside and put in place at the end, so that a build that fails leaves the one before. */
const out = path.join(lib, watch ? 'frontend' : `frontend-${process.pid}`);
const resources = path.join(here, '..', 'extension', 'resources');
const shell = path.join(here, '..', '..', 'wasm', 'pkg');
const FILE_LOADED = ['.wasm', '.ttf', '.woff', '.woff2', '.eot'];

if (!fs.existsSync(path.join(shell, 'coditect_shell.js'))) {
    console.error('The Wasm shell is not built yet. Run `cargo xtask build` first; it builds everything in order.');
    process.exit(1);
}

fs.rmSync(out, { recursive: true, force: true });
fs.mkdirSync(out, { recursive: true });
const assets = writeAssets(out);

const { bundle, 'editor.worker': worker } = browserOptions.entryPoints;
/** @type {import('esbuild').BuildOptions} */
const common = {
    ...browserOptions,
    outdir: out,
    assetNames: '[name]-[hash]',
    entryNames: '[name]-[hash]',
    metafile: true,
    legalComments: 'external',
    loader: { ...browserOptions.loader, ...Object.fromEntries(FILE_LOADED.map(extension => [extension, 'file'])) },
    // The copier only copies the page of a second window, which the product does not have.
    plugins: browserOptions.plugins.filter(({ name }) => name !== 'plugin:copy')
};

const workerName = path.basename(outputOf(await build({ ...common, entryPoints: { 'editor.worker': worker } }), 'editor.worker'));
const mermaidPath = path.relative(out, outputOf(await build({
    ...common,
    entryPoints: { mermaid: 'mermaid' },
    outdir: path.join(out, 'mermaid'),
    chunkNames: '[name]-[hash]',
    format: 'esm',
    splitting: true,
    plugins: []
}), 'mermaid'));
const options = {
    ...common,
    entryPoints: { bundle },
    alias: {
        ...common.alias,
        'coditect-shell/coditect_shell_bg.wasm': path.join(shell, 'coditect_shell_bg.wasm'),
        'coditect-shell': path.join(shell, 'coditect_shell.js')
    },
    define: { ...common.define, __coditectAssets: JSON.stringify(assets), __coditectMermaid: JSON.stringify(mermaidPath) },
    plugins: [lean(), ...common.plugins, hashedWorker(workerName), page()]
};

if (watch) {
    await (await esbuild.context(options)).watch();
} else {
    await build(options);
    putInPlace();
}

async function build(buildOptions) {
    try {
        return (await esbuild.build(buildOptions)).metafile;
    } catch {
        fs.rmSync(out, { recursive: true, force: true });
        process.exit(1);
    }
}

function putInPlace() {
    const place = path.join(lib, 'frontend');
    fs.rmSync(place, { recursive: true, force: true });
    fs.renameSync(out, place);
}

/** The script that an entry became; with code splitting, other outputs have an entry too. */
function outputOf(metafile, entry) {
    return Object.keys(metafile.outputs).find(file => path.basename(file).startsWith(`${entry}-`) && file.endsWith('.js'));
}

/** The generated start script names the editor's worker; here it gets the name with the hash. */
function hashedWorker(name) {
    return {
        name: 'hashed-worker',
        setup({ onLoad }) {
            onLoad({ filter: /src-gen[\\/]frontend[\\/]index\.js$/ }, async ({ path: file }) => {
                const source = await fs.promises.readFile(file, 'utf8');
                if (!source.includes('./editor.worker.js')) {
                    throw new Error('The generated start script does not name the worker as expected.');
                }
                return { contents: source.replace('./editor.worker.js', `./${name}`), loader: 'js', resolveDir: path.dirname(file) };
            });
        }
    };
}

/** Writes index.html with the names of this build. */
function page() {
    return {
        name: 'page',
        setup({ onEnd }) {
            onEnd(({ metafile }) => {
                if (!metafile) {
                    return;
                }
                const script = outputOf(metafile, 'bundle');
                const names = {
                    script: path.basename(script),
                    style: path.basename(metafile.outputs[script].cssBundle),
                    shell: path.basename(Object.keys(metafile.outputs).find(file => /coditect_shell_bg-[^/]*\.wasm$/.test(file))),
                    start: copyHashed('start.css'),
                    logo: copyHashed('logo.svg')
                };
                const template = fs.readFileSync(path.join(resources, 'index.html'), 'utf8');
                const html = template.replace(/{{(\w+)}}/g, (_, name) => names[name] ?? fail(`index.html names {{${name}}}, which there is not.`));
                fs.writeFileSync(path.join(out, 'index.html'), html);
            });
        }
    };
}

function copyHashed(name) {
    const content = fs.readFileSync(path.join(resources, name));
    const { name: stem, ext } = path.parse(name);
    const hashed = `${stem}-${createHash('sha256').update(content).digest('hex').slice(0, 8).toUpperCase()}${ext}`;
    fs.writeFileSync(path.join(out, hashed), content);
    return hashed;
}

function fail(message) {
    throw new Error(message);
}
