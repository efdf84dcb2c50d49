import { indices, scatterAdd, tensor } from '@linattn/math';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// Sums are of spans of tokens, in order: bit by bit. (The conformance kit has fewer tokens than a span.)
const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Gradients of an embedding in WebGPU are skipped: ${missing}`);

const span = 1024;

function expected(ids: Int32Array, values: Float32Array, width: number, rows: number): Float32Array {
  const out = new Float32Array(rows * width);
  for (let begin = 0; begin < ids.length; begin += span) {
    const sums = new Map<number, Float32Array>();
    ids.subarray(begin, begin + span).forEach((id, i) => {
      const own = sums.get(id) ?? new Float32Array(width);
      for (let j = 0; j < width; j++) own[j] += values[(begin + i) * width + j];
      sums.set(id, own);
    });
    for (const [id, own] of sums) for (let j = 0; j < width; j++) out[id * width + j] += own[j];
  }
  return out;
}

describe.skipIf(missing !== undefined)('scatterAdd of many tokens', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  test.each([
    ['a span', span, 5],
    ['one more', span + 1, 5],
    ['several spans, wide', 3 * span - 7, 300],
  ])('%s', async (_, tokens, width) => {
    const rows = 40;
    // One index is every other token, some are nowhere, the last is of the last token only.
    const ids = Int32Array.from({ length: tokens }, (_, i) =>
      i === tokens - 1 ? rows - 1 : i % 2 ? 7 : (i * 7919) % (rows - 5),
    );
    const values = Float32Array.from({ length: tokens * width }, (_, i) => Math.sin(i * 1.3));
    const given = [indices(backend, ids), tensor(backend, values, [tokens, width])] as const;
    const sums = scatterAdd(...given, rows);
    expect(await sums.read()).toEqual(expected(ids, values, width, rows));
    for (const each of [...given, sums]) each.dispose();
  });
});
