import { fileURLToPath } from 'node:url';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
    plugins: [react()],
    resolve: { alias: { 'coditect-shell': fileURLToPath(new URL('../wasm/pkg/coditect_shell.js', import.meta.url)) } },
    build: { target: 'es2022', assetsInlineLimit: 0, reportCompressedSize: false },
    server: { fs: { allow: ['..'] }, proxy: { '/api': { target: 'http://127.0.0.1:8700', ws: true }, '/theia': 'http://127.0.0.1:8700' } },
});
