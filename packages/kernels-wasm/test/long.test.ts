import './ensure-wasm.ts';
import { type Backend, linearAttention, type Tensor, tensor, vjp } from '@linattn/math';
import { compare, tolerances } from '@linattn/math/conformance';
import { float64Backend } from '@linattn/math/float64';
import { expect, test } from 'vitest';
import { createWasmBackend } from '../src/index.ts';

const [tokens, width] = [65_536, 16];

/** Normal numbers, the same for both backends, rounded to float32. */
function numbers(seed: number): Float32Array {
  let state = seed >>> 0;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  return Float32Array.from(
    { length: tokens * width },
    () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform()),
  );
}

async function attend(backend: Backend): Promise<ArrayLike<number>[]> {
  const [q, k, v, d] = [1, 2, 3, 4].map((seed) => tensor(backend, numbers(seed), [1, tokens, 1, width]));
  const tape = vjp((): Tensor[] => [linearAttention(q, k, v, { normalize: 'l2' }).output], [q, k, v]);
  const all = [...tape.outputs, ...tape.pullback([d])];
  return Promise.all(all.map((each) => each.read()));
}

test.each(['auto', 'plain'] as const)('65,536 tokens stay within 1e-5 of float64 (%s)', async (simd) => {
  const backend = await createWasmBackend({ threads: 1, simd });
  const [found, expected] = [await attend(backend), await attend(float64Backend())];
  for (const [i, name] of ['o', 'dq', 'dk', 'dv'].entries()) {
    const { normError, finite } = compare(name, found[i], expected[i]);
    expect(finite).toBe(true);
    expect(normError, name).toBeLessThan(tolerances.float32);
  }
  await backend.dispose();
});
