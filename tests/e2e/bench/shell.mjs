// A page with nothing but the shell in it, connected to a workspace: what the link gives, without what an IDE makes of it.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SHELL = fileURLToPath(new URL('../../../wasm/pkg/', import.meta.url));
/** Outlives the longest search and the building of an index. */
const EVALUATE_LIMIT_MS = 300_000;

/** A page with the shell's files at hand. */
export async function shellPage(context, url) {
    const page = await context.newPage();
    page.setDefaultTimeout(EVALUATE_LIMIT_MS);
    await page.route('**/bench-shell/*', route => {
        const name = path.basename(new URL(route.request().url()).pathname);
        return route.fulfill({ body: fs.readFileSync(path.join(SHELL, name)), contentType: name.endsWith('.js') ? 'text/javascript' : 'application/wasm' });
    });
    await page.goto(`${url}health`);
    return page;
}

/** `window.shell`, connected to the workspace. */
export async function connectShell(page, url, workspace) {
    await page.evaluate(async ({ workspace, url }) => {
        const { default: init, Shell } = await import(`${url}bench-shell/coditect_shell.js`);
        await init({ module_or_path: `${url}bench-shell/coditect_shell_bg.wasm` });
        window.shell = Shell.create(url);
        await window.shell.connect(workspace);
    }, { workspace, url });
}

export async function openShell(context, url, workspace) {
    const page = await shellPage(context, url);
    await connectShell(page, url, workspace);
    return page;
}
