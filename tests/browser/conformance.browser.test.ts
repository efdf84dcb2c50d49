import { createGpujsBackend } from '@linattn/kernels-gpujs';
import { createWasmBackend } from '@linattn/kernels-wasm';
import { webgpuBackend } from '@linattn/kernels-webgpu';
import type { OpCase } from '@linattn/math/conformance';
import { conformanceSuite } from '../conformance/suite.ts';

// gpu.js on a software GPU: the small cases. The large ones run in Node.
const filter = ({ size }: OpCase) => size === 'small';

conformanceSuite('wasm, Chromium', () => createWasmBackend());
conformanceSuite('gpu.js webgl2, Chromium', () => createGpujsBackend({ mode: 'webgl2' }), { filter });
conformanceSuite('gpu.js webgpu, Chromium', () => createGpujsBackend({ mode: 'webgpu' }), { filter });
conformanceSuite('webgpu, Chromium', () => webgpuBackend());
