import { mul } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { createGpujsBackend } from '../src/index.ts';
import { start, trainingStep, zeros } from './training-step.ts';
import { installWebGPU } from './webgpu.ts';

const noWebGPU = await installWebGPU();

describe.each([
  { mode: 'cpu', steps: 1000 },
  { mode: 'webasm', steps: 1000 },
  { mode: 'webgpu', steps: 8 },
] as const)('$mode', ({ mode, steps }) => {
  const skip = mode === 'webgpu' ? noWebGPU : undefined;

  test(`${steps} steps leave memory and kernels as the first two did`, async (context) => {
    if (skip) return context.skip(skip);
    const backend = await createGpujsBackend({ mode });
    const { parameters, moments } = start(backend);
    let settled: unknown;
    for (let step = 1; step <= steps; step++) {
      const loss = trainingStep(backend, parameters, moments, step);
      if (step % 100 === 0 || step < 4) expect(Number.isFinite(await loss.item())).toBe(true);
      loss.dispose();
      const now = { ...backend.memory(), kernels: backend.kernelCount };
      if (step === 3) settled = now;
      if (step > 3) expect(now).toEqual(settled);
    }
    for (const held of [...parameters, ...moments]) held.dispose();
    expect(backend.memory()).toMatchObject({ buffers: 0, bytes: 0 });
    await backend.dispose();
    expect(backend.kernelCount).toBe(0);
  });

  test('kernels over the limit are evicted, and results that they made live on', async (context) => {
    if (skip) return context.skip(skip);
    const backend = await createGpujsBackend({ mode, maxKernels: 3 });
    const sizes = [3, 4, 5, 6, 7, 8];
    const squares = sizes.map((size) => {
      const x = zeros(backend, [size], size);
      return mul(x, x);
    });
    for (const [i, square] of squares.entries())
      expect([...(await square.read())]).toEqual(Array(sizes[i]).fill(sizes[i] ** 2));
    expect(backend.kernelCount).toBeLessThanOrEqual(3);
    expect([...(await mul(squares[0], squares[0]).read())]).toEqual([81, 81, 81]);
    await backend.dispose();
  });
});
