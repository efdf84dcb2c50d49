import { indices, scope, tensor, vjp } from '@linattn/math';
import { linearCrossEntropy, softmaxAttention } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { chooseTile, tileBytes } from '../src/softmax/tiles.ts';
import { open } from './adapter.ts';
import { checks, largeChecks } from './checks.ts';

test('softmax tiles leave room for several workgroups a multiprocessor', () => {
  for (let width = 1; width <= 256; width++) {
    const tile = chooseTile(width, false);
    expect(tileBytes(tile)).toBeLessThanOrEqual(16_384);
    expect(tile.TY * tile.TX).toBeLessThanOrEqual(256);
  }
});

const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Softmax attention and cross entropy in WebGPU are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('against float64', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  const software = /swiftshader|llvmpipe/i.test(backend.description);
  test.for(Object.entries(software ? checks : { ...checks, ...largeChecks }))('%s', async ([, check]) => {
    expect(await check(backend)).toBeLessThan(1e-5);
  });
});

describe.skipIf(missing !== undefined)('unrolled shaders', () => {
  // Recorded, never submitted: the device validates a shader when it is made.
  test.each(['adapter', 'default'] as const)('are valid under %s limits', async (limits) => {
    const unrolled = await open({ unroll: true, limits });
    if (typeof unrolled === 'string') throw new Error(unrolled);
    unrolled.device.pushErrorScope('validation');
    scope(() => {
      const draw = (...shape: number[]) =>
        tensor(unrolled, new Float32Array(shape.reduce((x, y) => x * y)).fill(0.1), shape);
      for (const width of [1, 5, 16, 32, 64, 128, 200]) {
        const inputs = [draw(1, 40, 1, width), draw(1, 40, 1, width), draw(1, 40, 1, width)] as const;
        const { outputs, pullback } = vjp(() => [softmaxAttention(...inputs)], inputs);
        for (const gradient of pullback(outputs)) gradient.dispose();
      }
      for (const [rows, width, words] of [
        [9, 5, 11],
        [300, 128, 2000],
      ]) {
        const inputs = [draw(rows, width), draw(words, width)] as const;
        const targets = indices(unrolled, new Int32Array(rows));
        const { outputs, pullback } = vjp(() => [linearCrossEntropy(...inputs, targets)], inputs);
        for (const gradient of pullback(outputs)) gradient.dispose();
      }
    });
    expect((await unrolled.device.popErrorScope())?.message).toBeUndefined();
    await unrolled.dispose();
  });
});
