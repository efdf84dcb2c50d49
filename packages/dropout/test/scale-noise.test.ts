import {
  type Backend,
  fill,
  philox4x32,
  philoxFill,
  type RandomAttributes,
  sizeOf,
  slice,
  uniformFromWord,
  vjp,
} from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, it } from 'vitest';
import { noisyAttention, scaleNoise } from '../src/index.ts';
import { expectClose, expectGradients, heads, normal } from './support.ts';

const backend = float64Backend();
const options = { rate: 0.3, seed: 7, layer: 2, step: 5 } as const;

/** One draw, from Philox itself. */
function drawOf(index: number): number {
  const words = new Uint32Array(4);
  philox4x32([options.seed, 0], Math.floor(index / 4), 0, options.layer, options.step, words);
  const [u, v] = [words[index & 2], words[(index & 2) + 1]].map(uniformFromWord);
  const radius = Math.sqrt(-2 * Math.log(u));
  return radius * (index % 2 ? Math.sin(2 * Math.PI * v) : Math.cos(2 * Math.PI * v));
}

/** The same backend with a kernel for random numbers, which draws in uneven chunks, last one first, as a device's threads might. */
function withRandomKernel(chunk: number): { backend: Backend; calls: () => number } {
  const inner = float64Backend();
  let calls = 0;
  const random = (_: unknown, { shape, distribution, key, stream }: RandomAttributes) => {
    calls++;
    const out = new Float64Array(sizeOf(shape));
    for (let end = out.length; end > 0; end -= chunk) {
      for (let i = Math.max(0, end - chunk); i < end; i++) {
        // One block an element: its own word of it is the same wherever the chunk begins.
        const block = new Float64Array(4 * (Math.floor(i / 4) + 1));
        out[i] = philoxFill(block, distribution, key, stream)[i];
      }
    }
    return [inner.upload(out, { shape, dtype: 'float' })];
  };
  return { backend: { ...inner, kernels: { ...inner.kernels, random } }, calls: () => calls };
}

describe('scaleNoise', () => {
  const x = normal(backend, [3, 5, 2, 7], 1);

  it.each(['paper', 'unbiased'] as const)('%s is Eq 28, draw by draw', async (mode) => {
    const scale = mode === 'paper' ? 1 - options.rate : 1;
    const expected = (await x.read()).map((value, i) => scale * value * (1 + Math.sqrt(options.rate) * drawOf(i)));
    expectClose(await scaleNoise(x, { ...options, mode }).read(), expected, 1e-14);
  });

  it('draws for an element by its index alone: a shorter tensor gets the same draws', async () => {
    const whole = await scaleNoise(x, { ...options, mode: 'unbiased' }).read();
    for (const rows of [1, 2]) {
      const part = await scaleNoise(slice(x, 0, 0, rows), { ...options, mode: 'unbiased' }).read();
      expect(part).toEqual(whole.slice(0, part.length));
    }
  });

  it.each(['paper', 'unbiased', 'matched', 'keys'] as const)(
    '%s draws the same from a kernel, in any chunks',
    async (mode) => {
      const read = async (on: Backend) => {
        const [q, k, v] = heads(on, [2, 9, 9, 2, 3, 5]);
        return noisyAttention(q, k, v, { normalize: 'l2' }, { ...options, mode }).output.read();
      };
      const expected = await read(backend);
      for (const chunk of [1, 3, 17]) {
        const kernel = withRandomKernel(chunk);
        expect(await read(kernel.backend)).toEqual(expected);
        expect(kernel.calls()).toBeGreaterThan(0);
      }
    },
  );

  it.each(['paper', 'unbiased'] as const)('%s: its gradient is that of central differences', async (mode) => {
    await expectGradients(backend, (o) => scaleNoise(o, { ...options, mode }), [normal(backend, [2, 3, 5], 4)]);
  });

  it('saves nothing for backward, which draws again', async () => {
    const o = normal(backend, [1000], 1);
    const before = backend.memory();
    const { outputs, savedElements, pullback } = vjp(() => [scaleNoise(o, { ...options, mode: 'paper' })], [o]);
    expect(savedElements()).toBe(0);
    expect(backend.memory().buffers).toBe(before.buffers + 1);
    const seed = fill(backend, [1000], 1);
    const [gradient] = pullback([seed]);
    const factors = Float64Array.from({ length: 1000 }, (_, i) => 0.7 * (1 + Math.sqrt(0.3) * drawOf(i)));
    expectClose(await gradient.read(), factors, 1e-14);
    for (const tensor of [...outputs, seed, gradient]) tensor.dispose();
    expect(backend.memory().buffers).toBe(before.buffers);
  });
});
