import { type Backend, indices, type Tensor, tensor, UnsupportedError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect, test } from 'vitest';
import { GPTNeoX } from '../src/index.ts';

const sizes = { vocabSize: 10, hiddenSize: 16, layers: 2, heads: 2, rotaryFraction: 0.5 };
const attention = { type: 'linear' } as const;

/** The reference with a storage that shows where it was asked for: every number becomes 1. */
function storing(): Backend {
  const backend: Backend = {
    ...float64Backend(),
    toFloat16: ({ shape, size }: Tensor) => tensor(backend, new Float64Array(size).fill(1), shape),
  };
  return backend;
}

test.each([true, false])('matrices are stored in float16, tied embeddings: %s', async (tieEmbeddings) => {
  const backend = storing();
  const model = GPTNeoX.init(backend, { ...sizes, attention, tieEmbeddings, shortConvolution: 3 }, { seed: 5 });
  const { buffers } = backend.memory();
  const start = new Map(
    await Promise.all([...model.parameters].map(async ([name, x]) => [name, await x.read()] as const)),
  );
  model.storeInFloat16();
  expect(backend.memory().buffers).toBe(buffers);
  const stored: string[] = [];
  for (const [name, parameter] of model.parameters) {
    const values = await parameter.read();
    if (values.every((value, i) => value === start.get(name)![i])) continue;
    expect(values.every((value) => value === 1)).toBe(true);
    stored.push(name);
  }
  const layers = ['attention.query_key_value', 'attention.dense', 'mlp.dense_h_to_4h', 'mlp.dense_4h_to_h'];
  expect(stored).toEqual([
    'gpt_neox.embed_in.weight',
    ...[0, 1].flatMap((layer) => layers.map((name) => `gpt_neox.layers.${layer}.${name}.weight`)),
    ...(tieEmbeddings ? [] : ['embed_out.weight']),
  ]);
  // The layers see it: equal rows of the output give equal logits.
  const logits = await model.logits(indices(backend, [3, 1], [1, 2])).read();
  expect(new Set(logits.subarray(0, sizes.vocabSize)).size).toBe(1);
});

test('a backend without such storage is refused', () => {
  const model = GPTNeoX.init(float64Backend(), { ...sizes, attention });
  expect(() => model.storeInFloat16()).toThrow(UnsupportedError);
  expect(() => model.storeInFloat16()).toThrow(/storage in float16 is not supported.*toFloat16/);
});
