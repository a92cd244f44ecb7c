/**
 * What the bundle does without, and why. Each entry says how the product behaves in its absence; a build fails when an entry finds
 * nothing to replace any more, so that none outlives an update of Theia unnoticed.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const require = createRequire(import.meta.url);
const here = path.dirname(fileURLToPath(import.meta.url));

/** Files whose content is replaced. */
const CONTENTS = [
    {
        // The keys of VS Code's translations, 1.9 MB. The product speaks English; without a translation no key is looked up.
        filter: /@theia[\\/]core[\\/]src[\\/]common[\\/]i18n[\\/]nls\.metadata\.json$/,
        contents: '{"keys":{},"messages":{}}'
    },
    {
        // Addresses of JSON schemas on other people's servers, which the page's security policy does not let it fetch.
        filter: /@theia[\\/]core[\\/]lib[\\/]browser[\\/]catalog\.json$/,
        contents: '{"schemas":[]}'
    }
];

/** Modules that another one stands in for. */
const MODULES = [
    // It makes functions out of text; without it the page would need 'unsafe-eval'.
    { filter: /^ajv$/, to: path.join(here, 'ajv-without-eval.js') },
    // Diagrams in chat answers are loaded when the first one is shown.
    { filter: /^mermaid$/, to: path.join(here, 'mermaid-later.js') },
    // Of all date functions and languages, the one of each that the chat needs.
    { filter: /^date-fns$/, to: require.resolve('date-fns/formatDistance') },
    { filter: /^date-fns\/locale$/, to: require.resolve('date-fns/locale/en-US') },
    // A file system inside the browser, which the server's takes the place of.
    { filter: /^opfs-worker$/, to: path.join(here, 'nothing.js') }
];

/** @returns {import('esbuild').Plugin} */
export function lean() {
    return {
        name: 'lean',
        setup({ onLoad, onResolve, onStart, onEnd }) {
            const unused = new Set();
            onStart(() => [...CONTENTS, ...MODULES].forEach(({ filter }) => unused.add(filter)));
            for (const { filter, contents } of CONTENTS) {
                onLoad({ filter }, () => {
                    unused.delete(filter);
                    return { contents, loader: 'json' };
                });
            }
            for (const { filter, to } of MODULES) {
                onResolve({ filter }, () => {
                    unused.delete(filter);
                    return { path: fs.realpathSync(to) };
                });
            }
            onEnd(() => ({ errors: [...unused].map(filter => ({ text: `Nothing in the bundle matches ${filter} any more; see lean.mjs.` })) }));
        }
    };
}
