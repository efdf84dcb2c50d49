import { linear, scope, tensor } from '@linattn/math';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// Products of few rows have a kernel of their own (few-rows.wgsl): against sums in float64, and the text that GPUs get.
const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Products of few rows in WebGPU are skipped: ${missing}`);

const numbers = (size: number, key: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i * 1.7 + key));

describe.skipIf(missing !== undefined)('products of few rows', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  test.each([
    [1, 1, 1],
    [1, 33, 4],
    [3, 128, 128],
    [7, 31, 131],
    [8, 70, 257],
    [1, 300, 1000],
  ])('%i rows, %i columns, %i terms', async (m, n, k) => {
    const [x, w, bias] = [numbers(m * k, 1), numbers(n * k, 2), numbers(n, 3)];
    const given = [tensor(backend, x, [m, k]), tensor(backend, w, [n, k]), tensor(backend, bias)] as const;
    const [y, biased] = [linear(given[0], given[1]), linear(...given)];
    const values = await Promise.all([y.read(), biased.read()]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let [sum, magnitudes] = [0, Math.abs(bias[j])];
        for (let l = 0; l < k; l++) {
          const term = x[i * k + l] * w[j * k + l];
          sum += term;
          magnitudes += Math.abs(term);
        }
        // A few roundings of 2^-24 on the way of each term.
        expect(Math.abs(values[0][i * n + j] - sum)).toBeLessThan(1e-6 * magnitudes);
        expect(Math.abs(values[1][i * n + j] - (sum + bias[j]))).toBeLessThan(1e-6 * magnitudes);
      }
    }
    for (const each of [...given, y, biased]) each.dispose();
  });

  test('as GPUs get it, it is valid', async () => {
    const unrolled = await open({ unroll: true });
    if (typeof unrolled === 'string') throw new Error(unrolled);
    unrolled.device.pushErrorScope('validation');
    const names: string[] = [];
    const make = unrolled.device.createShaderModule.bind(unrolled.device);
    unrolled.device.createShaderModule = (descriptor) => {
      names.push(descriptor.label!);
      return make(descriptor);
    };
    scope(() => {
      for (let m = 1; m <= 9; m++) {
        for (const k of [64, 65]) {
          const [x, w] = [
            tensor(unrolled, new Float32Array(m * k), [m, k]),
            tensor(unrolled, new Float32Array(8 * k), [8, k]),
          ];
          linear(x, w);
          linear(x, unrolled.toFloat16(w));
        }
      }
    });
    expect((await unrolled.device.popErrorScope())?.message).toBeUndefined();
    // Nine rows are no longer few.
    expect(names.filter((name) => name.startsWith('few rows'))).toHaveLength(32);
    await unrolled.dispose();
  });
});
