import { defaultClientConditions, defineConfig } from 'vite';

// Cross-origin isolation: SharedArrayBuffer, and with it WebAssembly threads. A static host must send the same two headers.
const headers = { 'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp' };

export default defineConfig({
  root: import.meta.dirname,
  // Any folder of any host.
  base: './',
  resolve: { conditions: ['@linattn/source', ...defaultClientConditions] },
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  server: { headers },
  // Not asked for again: WebKit refuses a worker whose script comes from its cache by way of a 304, which has no such headers.
  preview: { headers: { ...headers, 'Cache-Control': 'no-store' } },
  // Workers load backends only when they are asked for.
  worker: { format: 'es' },
  build: {
    target: 'es2022',
    cssTarget: ['chrome111', 'firefox114', 'safari16.4', 'ios16.4'],
    chunkSizeWarningLimit: 1500,
  },
});
