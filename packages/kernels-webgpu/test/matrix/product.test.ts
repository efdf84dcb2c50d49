import { div, matmul, scope, type Tensor, tensor } from '@linattn/math';
import { linearCrossEntropy } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from '../adapter.ts';
import { worstError } from '../compare.ts';
import { emulatedUnits } from './emulated.ts';

const emulated = await open({ matrixUnits: emulatedUnits('split') });
const missing = typeof emulated === 'string' ? emulated : undefined;
if (missing) console.warn(`Products on matrix units are not emulated: ${missing}`);

// The kernel itself, indices, panels, scales and all; only products of 16 x 16 tiles are made in plain WGSL.
describe.skipIf(missing !== undefined)('products on emulated matrix units', () => {
  if (typeof emulated === 'string') return;
  afterAll(() => emulated.dispose());

  // More than a tile of rows, less than one of columns, panels with a rest; gradients take the other forms.
  test('of two matrices, and their gradients', async () => {
    const shapes = [
      [2, 132, 36],
      [2, 36, 100],
    ] as const;
    expect(await worstError(emulated, shapes, (x, y) => matmul(x, y))).toBeLessThan(1e-6);
  });

  test('sums that are broken off, to be rounded, and go on', async () => {
    expect(
      await worstError(
        emulated,
        [
          [4, 1100],
          [1100, 8],
        ],
        (x, y) => matmul(x, y),
      ),
    ).toBeLessThan(2e-6);
  });

  test('cross entropy: statistics of rows, gradients of logits', async () => {
    const inputs = [[36, 20], [140, 20], { indices: [36], below: 140 }];
    const run = (x: Tensor, weight: Tensor, targets: Tensor) => linearCrossEntropy(x, weight, targets);
    expect(await worstError(emulated, inputs, run)).toBeLessThan(2e-6);
  });

  test('of what is stored in float16: the bits of the same numbers in float32', async () => {
    const x = tensor(
      emulated,
      Float32Array.from({ length: 12 * 20 }, (_, i) => Math.sin(i)),
      [12, 20],
    );
    const weight = tensor(
      emulated,
      Float32Array.from({ length: 16 * 20 }, (_, i) => Math.cos(i)),
      [16, 20],
    );
    const half = emulated.toFloat16(weight);
    const float = tensor(emulated, await half.read(), [16, 20]);
    const { buffers } = emulated.memory();
    const products = scope(() => [matmul(x, half, false, true), matmul(x, float, false, true)]);
    expect(emulated.memory().buffers).toBe(buffers + products.length);
    const [found, expected] = await Promise.all(products.map((each) => each.read()));
    expect(found).toEqual(expected);
    for (const each of [x, weight, half, float, ...products]) each.dispose();
  });

  test.each([1e-33, 1e33])('numbers around %d', async (size) => {
    const x = Float32Array.from({ length: 64 }, (_, i) => size * Math.sin(i));
    const y = Float32Array.from({ length: 64 }, (_, i) => Math.cos(i) / size);
    const product = matmul(tensor(emulated, x, [8, 8]), tensor(emulated, y, [8, 8]));
    const found = await product.read();
    for (let i = 0; i < 64; i++) {
      let exact = 0;
      for (let k = 0; k < 8; k++) exact += x[8 * (i >> 3) + k] * y[8 * k + (i % 8)];
      expect(found[i]).toBeCloseTo(exact, 5);
    }
    product.dispose();
  });

  test('what is not finite stays in its row', async () => {
    // 0 / 0 and 1 / 0.
    const above = Float32Array.from({ length: 64 }, (_, i) => (i === 9 ? 0 : 1));
    const below = Float32Array.from({ length: 64 }, (_, i) => (i === 9 || i === 30 ? 0 : 1));
    const product = scope(() => {
      const x = div(tensor(emulated, above, [8, 8]), tensor(emulated, below, [8, 8]));
      return matmul(x, tensor(emulated, new Float32Array(64).fill(2), [8, 8]));
    });
    const found = await product.read();
    for (let i = 0; i < 64; i++) {
      if (i >> 3 === 1 || i >> 3 === 3) expect(Number.isFinite(found[i])).toBe(false);
      else expect(found[i]).toBe(16);
    }
    product.dispose();
  });
});

test('half: to three digits', async () => {
  const halves = await open({ matrixUnits: emulatedUnits('half') });
  if (typeof halves === 'string') return;
  const error = await worstError(
    halves,
    [
      [36, 40],
      [40, 20],
    ],
    (x, y) => matmul(x, y),
  );
  expect(error).toBeGreaterThan(1e-5);
  expect(error).toBeLessThan(2e-3);
  await halves.dispose();
});
