import { tensor } from '@linattn/math';
import { squaredNorm } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// What it computes is in the conformance kit; here is how.
const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`The norm of many tensors in WebGPU is skipped: ${missing}`);

describe.skipIf(missing !== undefined)('the squared norm of many tensors', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());
  const most = Math.min(14, backend.device.limits.maxStorageBuffersPerShaderStage - 1);

  test.skipIf(!backend.device.features.has('timestamp-query'))('takes a launch for as many as are bound', async () => {
    const tensors = Array.from({ length: 2 * most + 1 }, (_, i) => tensor(backend, new Float32Array(i + 1).fill(0.5)));
    const run = async () => {
      const norm = squaredNorm(tensors);
      const names = (await backend.submitTimed(true)).map(({ name }) => name);
      const value = await norm.item();
      norm.dispose();
      return { names, value };
    };
    const first = await run();
    expect(first.names).toEqual(['squaredNorm', 'squaredNorm', 'squaredNorm', 'reduce']);
    const numbers = tensors.reduce((sum, { size }) => sum + size, 0);
    expect(first.value).toBe(numbers / 4);
    expect(await run()).toEqual(first);
    for (const each of tensors) each.dispose();
  });
});
