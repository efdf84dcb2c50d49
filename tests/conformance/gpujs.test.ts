import { createGpujsBackend } from '@linattn/kernels-gpujs';
import { conformanceSuite } from './suite.ts';

conformanceSuite('gpu.js cpu', () => createGpujsBackend({ mode: 'cpu' }));
conformanceSuite('gpu.js webasm', () => createGpujsBackend({ mode: 'webasm' }));
