import { createWasmBackend } from '@linattn/kernels-wasm';
import { expect, test } from 'vitest';
import { measureDenominators } from '../src/numerics/denominators.ts';
import { normals } from '../src/numerics/inputs.ts';
import { measurePrinted } from '../src/numerics/printed.ts';
import { largestLinearWeight, measureSharpness, squaredRadius, unitRows } from '../src/numerics/sharpness.ts';

test('printed equations miss the gradient, corrected ones meet central differences', () => {
  const { corrected, withoutDenominator, doubledC, productVariance } = measurePrinted({ seed: 3, tokens: 24 });
  for (const name of ['dq', 'dk', 'dv'] as const) {
    expect(corrected[name]).toBeLessThan(1e-7);
    // g is near i: without 1 / g, gradients are several times too large.
    expect(withoutDenominator[name]).toBeGreaterThan(1);
  }
  expect(doubledC).toBeGreaterThan(0.01);
  expect(productVariance).toBeCloseTo(1, 1);
});

test('normalised rows divide by more than 0.05 i', async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const measure = (normalize: 'none' | 'l2') =>
    measureDenominators(backend, { normalize, headDim: 32, tokens: 128, seed: 1 });
  const [raw, normalised] = [await measure('none'), await measure('l2')];
  await backend.dispose();
  expect(raw.notPositive).toBeGreaterThan(0.1);
  expect(normalised.notPositive).toBe(0);
  expect(normalised.minMean).toBeGreaterThan(0.05);
  expect(Math.max(...Object.values(normalised.errors))).toBeLessThan(1e-5);
});

/** (1 + r q̂·k_0) / Σ (1 + r q̂·k_n) for keys of length r. */
function weightOf(direction: Float64Array, units: Float64Array): number {
  const width = direction.length;
  const query = unitRows(direction, width);
  const f = Array.from({ length: units.length / width }, (_, n) => {
    const key = units.subarray(n * width, (n + 1) * width);
    return 1 + squaredRadius * key.reduce((sum, x, d) => sum + x * query[d], 0);
  });
  return f[0] / f.reduce((sum, x) => sum + x, 0);
}

test('the largest weight of 1 + x is over that of any query drawn, and one query reaches it', () => {
  const [tokens, width] = [12, 8];
  const units = unitRows(normals([tokens, width], 5, 0), width);
  const most = largestLinearWeight(units, width);
  let found = 0;
  for (let draw = 0; draw < 4000; draw++) found = Math.max(found, weightOf(normals([width], 5, draw + 1), units));
  expect(found).toBeLessThan(most);
  expect(found).toBeGreaterThan(0.8 * most);
  // Along k_0 - w K.
  const best = units.slice(0, width).map((x, d) => {
    let total = 0;
    for (let n = 0; n < tokens; n++) total += units[n * width + d];
    return x - most * total;
  });
  expect(weightOf(best, units)).toBeCloseTo(most, 10);
});

test('among many tokens that is about 2 / N', () => {
  const { linear, square } = measureSharpness({ tokens: 1024, headDim: 32, seed: 1 });
  expect(1024 * linear).toBeGreaterThan(1.9);
  expect(1024 * linear).toBeLessThan(2.1);
  expect(square).toBeGreaterThan(5 * linear);
});
