import init, { Shell } from 'coditect-shell';
import wasmUrl from '../../wasm/pkg/coditect_shell_bg.wasm?url';

let opened: Promise<Shell> | undefined;

/** The Wasm shell, loaded once, when a page first needs it. */
export function shell(): Promise<Shell> {
    opened ??= init({ module_or_path: wasmUrl }).then(() => Shell.create(new URL('/', location.href).toString())).catch((error: unknown) => {
        opened = undefined;
        throw error;
    });
    return opened;
}

/** What a rejection of the shell says. */
export interface Problem {
    code: string;
    message: string;
}

/** Any rejection as a problem. */
export function problemOf(error: unknown): Problem {
    if (error instanceof Error) {
        return { code: (error as Error & { code?: string }).code ?? 'page.error', message: error.message };
    }
    return { code: 'page.error', message: String(error) };
}
