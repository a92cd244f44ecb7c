import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
    plugins: [react()],
    resolve: { alias: { 'coditect-shell': fileURLToPath(new URL('../wasm/pkg/coditect_shell.js', import.meta.url)) } },
    // The style sheet uses light-dark(), which these browsers know; a translation of it would not follow the switch.
    build: { target: 'es2022', cssTarget: ['chrome123', 'firefox120', 'safari17.5'], assetsInlineLimit: 0, reportCompressedSize: false },
    server: { fs: { allow: ['..'] }, proxy: { '/api': { target: 'http://127.0.0.1:8700', ws: true }, '/theia': 'http://127.0.0.1:8700' } },
    test: { environment: 'happy-dom' },
});
