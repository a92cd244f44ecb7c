import { Disposable, DisposableCollection } from '@theia/core';

/**
 * Until it is disposed of, or the person points somewhere, no editor takes the focus from where it is. An editor asks for it whenever it
 * comes into sight, and it is given back before any key can go there.
 */
export function keepFocus(focused: HTMLElement): Disposable {
    const kept = new DisposableCollection();
    const listen = <K extends keyof DocumentEventMap>(type: K, listener: (event: DocumentEventMap[K]) => void): void => {
        document.addEventListener(type, listener, true);
        kept.push(Disposable.create(() => document.removeEventListener(type, listener, true)));
    };
    listen('pointerdown', () => kept.dispose());
    listen('focusin', ({ target }) => {
        if (target instanceof Element && target.closest('.monaco-editor') && !target.contains(focused) && focused.isConnected) {
            focused.focus();
        }
    });
    return kept;
}
