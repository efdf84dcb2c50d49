import { indices, tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test } from 'vitest';
import {
  type AttentionConfig,
  candidates,
  type GenerateOptions,
  GPTNeoX,
  generate,
  type SamplingOptions,
  sampleToken,
} from '../src/index.ts';
import { seedKey, uniform53 } from '../src/random.ts';

const tokens = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

type Attention = Partial<AttentionConfig> & Pick<AttentionConfig, 'type'>;

const kinds: [string, Attention, shortConvolution?: number][] = [
  ['linear', { type: 'linear' }],
  ['linear of order 2', { type: 'linear', c: 0.5 }],
  ['linear, learnable', { type: 'linear', learnable: true, order: 2 }],
  ['linear, features elu + 1', { type: 'linear', featureMap: 'elu' }],
  ['linear, random features', { type: 'linear', featureMap: 'favor', features: 6 }],
  ['softmax', { type: 'softmax' }],
  ['linear, with short convolutions', { type: 'linear' }, 4],
  ['softmax, with convolutions longer than the text', { type: 'softmax' }, 20],
];

function modelOf(attention: Attention, shortConvolution = 0): GPTNeoX {
  const sizes = { vocabSize: 10, hiddenSize: 16, layers: 2, heads: 2, rotaryFraction: 0.5 };
  const model = GPTNeoX.init(float64Backend(), { ...sizes, attention, shortConvolution }, { seed: 5 });
  // Convolutions start as the identity, which would not show what they remember.
  for (const [name, { backend, shape, size }] of model.parameters) {
    if (!name.includes('convolution')) continue;
    const weights = Float64Array.from({ length: size }, (_, i) => Math.cos(2 * i));
    model.parameters.get(name)!.assign(tensor(backend, weights, shape));
  }
  return model;
}

describe.each(kinds)('%s', (_, attention, shortConvolution) => {
  test.each(['causal', 'prefix'] as const)('%s: decoding gives the full pass at every position', async (mask) => {
    const model = modelOf({ ...attention, mask }, shortConvolution);
    const { backend } = model;
    const prefix = mask === 'prefix' ? 5 : undefined;
    const full = await model.logits(indices(backend, tokens, [1, tokens.length]), { prefix }).read();
    for (const split of [5, 6, 9]) {
      const state = model.start();
      for (let at = 0; at < tokens.length; ) {
        const end = at === 0 ? split : at + 1 === tokens.length ? at + 1 : at + (at % 2) + 1;
        const logits = await model
          .decode(indices(backend, tokens.slice(at, end), [1, end - at]), state, { prefix })
          .read();
        const expected = full.subarray((end - 1) * 10, end * 10);
        logits.forEach((value, i) => {
          expect(Math.abs(value - expected[i])).toBeLessThan(1e-10);
        });
        at = end;
      }
      state.dispose();
    }
  });
});

describe('the cost of a token', () => {
  const memoryAt = async (type: 'linear' | 'softmax', positions: readonly number[], shortConvolution = 0) => {
    const model = modelOf({ type }, shortConvolution);
    const { backend } = model;
    const state = model.start();
    const seen: { buffers: number; bytes: number }[] = [];
    while (state.position < positions.at(-1)!) {
      const token = indices(backend, [state.position % 10], [1, 1]);
      const logits = model.decode(token, state);
      await logits.read();
      token.dispose();
      logits.dispose();
      const { buffers, bytes } = backend.memory();
      if (positions.includes(state.position)) seen.push({ buffers, bytes });
    }
    state.dispose();
    expect(backend.memory().buffers).toBe(model.parameters.size);
    return seen;
  };

  test('linear attention remembers the same number of bytes at any position', async () => {
    const [early, middle, late] = await memoryAt('linear', [1, 50, 100]);
    expect(middle).toEqual(early);
    expect(late).toEqual(early);
  });

  test('short convolutions remember a few tokens, at any position', async () => {
    const [early, late] = await memoryAt('linear', [1, 40], 4);
    expect(late).toEqual(early);
  });

  test('softmax attention remembers every key and value', async () => {
    const [early, late] = await memoryAt('softmax', [1, 101]);
    expect(late.buffers).toBe(early.buffers);
    // 100 tokens, 2 layers, a key and a value of 16 float64 each.
    expect(late.bytes - early.bytes).toBe(100 * 2 * 2 * 16 * 8);
  });
});

describe('generate', () => {
  const model = modelOf({ type: 'linear' });
  const collect = async (prompt: number[], options: GenerateOptions, from = model) => {
    const text: number[] = [];
    for await (const token of generate(from, prompt, options)) text.push(token);
    return text;
  };

  test('equal seeds give equal texts, others others', async () => {
    const [one, again, other] = await Promise.all([3, 3, 4].map((seed) => collect([1, 2], { maxTokens: 20, seed })));
    expect(one).toHaveLength(20);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });

  test.each([0, 1])(
    'temperature %d: each token is drawn from the full pass over all before it',
    async (temperature) => {
      const text = await collect([1, 2], { maxTokens: 6, temperature, seed: 8 });
      for (let i = 0; i < text.length; i++) {
        const before = [1, 2, ...text.slice(0, i)];
        const logits = await model.logits(indices(model.backend, before, [1, before.length])).read();
        const expected = sampleToken(logits.slice(-10), { temperature }, uniform53(seedKey(8, 'sampling'), 0, i));
        expect(text[i]).toBe(expected);
      }
    },
  );

  test('stops before a stop token, and leaves no memory behind, also when it is left early', async () => {
    const full = await collect([1, 2], { maxTokens: 20, temperature: 0 });
    const { buffers } = model.backend.memory();
    const stop = full[3];
    expect(await collect([1, 2], { maxTokens: 20, temperature: 0, stop: [stop] })).toEqual(
      full.slice(0, full.indexOf(stop)),
    );
    for await (const _ of generate(model, [1], { maxTokens: 5 })) break;
    expect(model.backend.memory().buffers).toBe(buffers);
    expect(await collect([1], { maxTokens: 0 })).toEqual([]);
  });

  test('the prompt is the conditional part of a prefix model', async () => {
    const prefixed = modelOf({ type: 'linear', mask: 'prefix' });
    const prompt = [1, 2, 3, 4];
    const [token] = await collect(prompt, { maxTokens: 1, temperature: 0 }, prefixed);
    const logits = await prefixed.logits(indices(prefixed.backend, prompt, [1, 4]), { prefix: 4 }).read();
    const last = [...logits.slice(-10)];
    expect(token).toBe(last.indexOf(Math.max(...last)));
  });

  test.each([
    [[], { maxTokens: 1 }, 'prompt'],
    [[1, 10], { maxTokens: 1 }, 'prompt[1]'],
    [[1.5], { maxTokens: 1 }, 'prompt[0]'],
    [[1], { maxTokens: -1 }, 'maxTokens'],
    [[1], { maxTokens: 1, temperature: -1 }, 'temperature'],
    [[1], { maxTokens: 1, topK: 0 }, 'topK'],
    [[1], { maxTokens: 1, topP: 0 }, 'topP'],
    [[1], { maxTokens: 1, seed: -1 }, 'seed'],
  ])('prompt %j with %j is refused by name', async (prompt, options, argument) => {
    await expect(collect(prompt, options)).rejects.toMatchObject({ code: 'VALUE', argument });
  });

  test('a model that sees the future cannot generate', async () => {
    await expect(
      collect([1], { maxTokens: 1 }, modelOf({ type: 'linear', mask: 'bidirectional' })),
    ).rejects.toMatchObject({
      argument: 'attention.mask',
    });
  });
});

describe('sampling', () => {
  const probabilities = [0.05, 0.4, 0.15, 0.3, 0.1];
  const logits = probabilities.map((p) => Math.log(p) + 7);
  const table = (options: SamplingOptions) => {
    const found = candidates(logits, options);
    return [...found.ids].map((id, i) => [id, Number(found.probabilities[i].toFixed(12))]);
  };

  test('top-k keeps the k likeliest', () => {
    expect(table({ topK: 2 })).toEqual([
      [1, Number((4 / 7).toFixed(12))],
      [3, Number((3 / 7).toFixed(12))],
    ]);
    expect(table({ topK: 99 })).toHaveLength(5);
  });

  test('top-p keeps the fewest that reach p', () => {
    expect(table({ topP: 0.65 }).map(([id]) => id)).toEqual([1, 3]);
    expect(table({ topP: 0.72 }).map(([id]) => id)).toEqual([1, 3, 2]);
    expect(table({ topP: 1e-9 })).toEqual([[1, 1]]);
    // Of what top-k left.
    expect(table({ topK: 2, topP: 0.5 })).toEqual([[1, 1]]);
    expect(table({ topP: 1 })).toHaveLength(5);
  });

  test('temperature sharpens and flattens', () => {
    const squares = probabilities.map((p) => p * p);
    const total = squares.reduce((x, y) => x + y);
    for (const [id, p] of table({ temperature: 0.5 })) expect(p).toBeCloseTo(squares[id] / total, 10);
    expect(table({ temperature: 0 })).toEqual([[1, 1]]);
  });

  test.each<SamplingOptions>([{}, { topK: 3 }, { topP: 0.8, temperature: 2 }])(
    'draws follow the distribution: %j',
    (options) => {
      const draws = 4000;
      const counts = new Map<number, number>();
      for (let i = 0; i < draws; i++) {
        const token = sampleToken(logits, options, uniform53(seedKey(1, 'test'), 0, i));
        counts.set(token, (counts.get(token) ?? 0) + 1);
      }
      const { ids: allowed, probabilities: expected } = candidates(logits, options);
      expect([...counts.keys()].sort()).toEqual([...allowed].sort());
      const chi2 = allowed.reduce(
        (sum, id, i) => sum + ((counts.get(id) ?? 0) - draws * expected[i]) ** 2 / (draws * expected[i]),
        0,
      );
      // 99.9 % of a chi-squared with 4 degrees of freedom.
      expect(chi2).toBeLessThan(18.5);
    },
  );

  test('u = 0 takes the likeliest, u next to 1 the last', () => {
    expect(sampleToken(logits, {}, 0)).toBe(1);
    expect(sampleToken(logits, {}, 1 - 2 ** -53)).toBe(0);
  });

  test('of equal logits the lower id comes first', () => {
    expect([...candidates([1, 2, 2, 2], { topK: 2 }).ids]).toEqual([1, 2]);
  });
});
