import type { Shell } from 'coditect-shell';
import wasmUrl from '../../wasm/pkg/coditect_shell_bg.wasm?url';

let opened: Promise<Shell> | undefined;

/** The Wasm shell, loaded once, when a page first needs it; a load that failed is tried again. */
export function shell(): Promise<Shell> {
    opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
    });
    return opened;
}

async function open(): Promise<Shell> {
    try {
        const { default: init, Shell } = await import('coditect-shell');
        await init({ module_or_path: wasmUrl });
        return Shell.create(new URL('/', location.href).toString());
    } catch (cause) {
        throw Object.assign(new Error('A part of this page could not be loaded; check the network, then try again.', { cause }), { code: 'page.not_loaded' });
    }
}

/** Loads the shell while there is time, for when it is needed. */
export function warmUp(): void {
    shell().catch(() => undefined);
}
