import { describe, test } from 'vitest';
import { open } from '../../packages/kernels-webgpu/test/adapter.ts';
import { conformanceSuite } from './suite.ts';

const column = 'webgpu, Node';
const backend = await open();
if (typeof backend === 'string') {
  describe.skip(`conformance: ${column}`, () => test(`no WebGPU in Node: ${backend}`, () => {}));
} else {
  conformanceSuite(column, () => backend);
}
