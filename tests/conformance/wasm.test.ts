import { createWasmBackend } from '@linattn/kernels-wasm';
import { conformanceSuite } from './suite.ts';

// Both builds. Results do not depend on the number of threads, which its own tests check.
conformanceSuite('wasm plain', () => createWasmBackend({ simd: 'plain', threads: 1 }));
conformanceSuite('wasm relaxed', () => createWasmBackend({ simd: 'auto', threads: 2 }));
