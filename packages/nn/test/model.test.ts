import { ShapeError, slice, tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test } from 'vitest';
import { GPTNeoX, type GPTNeoXOptions, resolveConfig } from '../src/index.ts';
import { ids, relativeError, tinyModel } from './helpers.ts';

const sizes = { vocabSize: 10, hiddenSize: 8, layers: 2, heads: 2 };

describe('configuration', () => {
  test.each<[object, string]>([
    [{ vocabSize: 0 }, 'vocabSize'],
    [{ hiddenSize: undefined }, 'hiddenSize'],
    [{ layers: 1.5 }, 'layers'],
    [{ heads: 3 }, 'heads'],
    [{ rotaryFraction: 2 }, 'rotaryFraction'],
    [{ rotaryFraction: 0.25 }, 'rotaryFraction'],
    [{ shortConvolution: 1.5 }, 'shortConvolution'],
    [{ rotaryBase: 0 }, 'rotaryBase'],
    [{ layerNormEpsilon: 0 }, 'layerNormEpsilon'],
    [{ activation: 'tanh' }, 'activation'],
    [{ initialization: 'zeros' }, 'initialization'],
    [{ attention: { type: 'quadratic' } }, 'attention.type'],
    [{ attention: { type: 'linear', mask: 'sideways' } }, 'attention.mask'],
    [{ attention: { type: 'linear', a: Number.NaN } }, 'attention.a'],
    [{ attention: { type: 'linear', c: 1, order: 1 } }, 'attention.order'],
    [{ attention: { type: 'linear', normalize: 'l1' } }, 'attention.normalize'],
    [{ attention: { type: 'linear', normalize: 'none', radius: 1 } }, 'attention.radius'],
    [{ attention: { type: 'linear', radius: -1 } }, 'attention.radius'],
    [{ attention: { type: 'linear', featureMap: 'exp' } }, 'attention.featureMap'],
    [{ attention: { type: 'linear', featureMap: 'elu', a: 1 } }, 'attention.a'],
    [{ attention: { type: 'linear', featureMap: 'elu', learnable: true } }, 'attention.learnable'],
    [{ attention: { type: 'linear', featureMap: 'elu', normalize: 'l2' } }, 'attention.normalize'],
    [{ attention: { type: 'linear', featureMap: 'elu', features: 3 } }, 'attention.features'],
    [{ dropout: { mode: 'some', rate: 0.1 } }, 'dropout.mode'],
    [{ dropout: { mode: 'keys', rate: 1 } }, 'dropout.rate'],
    [{ dropout: { mode: 'keys', rate: 0.1, decay: 'slow' } }, 'dropout.decay'],
    [{ dropout: { mode: 'keys', rate: 0.1, until: 0 } }, 'dropout.until'],
    [{ dropout: { mode: 'keys', rate: 0.1 }, attention: { type: 'softmax' } }, 'dropout.mode'],
  ])('%j is refused by name', (options, argument) => {
    const all = { ...sizes, rotaryFraction: 0.5, ...options } as GPTNeoXOptions;
    expect(() => resolveConfig(all)).toThrow(expect.objectContaining({ code: 'VALUE', argument }));
  });

  test('a resolved configuration stays as it is, also through JSON', () => {
    const config = resolveConfig({ ...sizes, rotaryFraction: 0.5 });
    expect(resolveConfig(JSON.parse(JSON.stringify(config)))).toEqual(config);
  });
});

describe('fresh parameters', () => {
  test('follow the seed, and spread as documented', async () => {
    const shape = { vocabSize: 100, hiddenSize: 64, layers: 2, heads: 2 };
    const [one, same, other] = [1, 1, 2].map((seed) => GPTNeoX.init(float64Backend(), shape, { seed }));
    const spread = async (name: string, model = one) => {
      const values = Float64Array.from(await model.parameters.get(name)!.read());
      return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
    };
    const small = Math.sqrt(2 / (5 * 64));
    for (const [name, expected] of [
      ['gpt_neox.embed_in.weight', small],
      ['embed_out.weight', small],
      ['gpt_neox.layers.0.attention.query_key_value.weight', small],
      ['gpt_neox.layers.1.mlp.dense_h_to_4h.weight', small],
      ['gpt_neox.layers.1.attention.dense.weight', 2 / (2 * 8)],
      ['gpt_neox.layers.0.mlp.dense_4h_to_h.weight', 2 / (2 * 8)],
    ] as const) {
      expect(Math.abs((await spread(name)) / expected - 1), name).toBeLessThan(0.05);
    }
    expect(await spread('gpt_neox.layers.0.input_layernorm.weight')).toBe(1);
    expect(await spread('gpt_neox.layers.0.attention.dense.bias')).toBe(0);
    for (const [name, parameter] of one.parameters) {
      const values = await parameter.read();
      expect(await same.parameters.get(name)!.read()).toEqual(values);
      // Exact in float32: every backend starts from the same numbers.
      expect(Float64Array.from(Float32Array.from(values))).toEqual(values);
    }
    // Draws go by name: no two parameters share them, and a layer's do not depend on how many there are.
    const [first, second] = [0, 1].map((layer) => `gpt_neox.layers.${layer}.mlp.dense_h_to_4h.weight`);
    expect(await one.parameters.get(second)!.read()).not.toEqual(await one.parameters.get(first)!.read());
    const shallow = GPTNeoX.init(float64Backend(), { ...shape, layers: 1 }, { seed: 1 });
    expect(await shallow.parameters.get(first)!.read()).toEqual(await one.parameters.get(first)!.read());
    const name = 'gpt_neox.embed_in.weight';
    expect(await other.parameters.get(name)!.read()).not.toEqual(await one.parameters.get(name)!.read());
  });

  test('carry the names of Hugging Face, and are freed with the model', () => {
    const model = tinyModel({ layers: 1 });
    expect([...model.parameters.keys()]).toEqual([
      'gpt_neox.embed_in.weight',
      'gpt_neox.layers.0.input_layernorm.weight',
      'gpt_neox.layers.0.input_layernorm.bias',
      'gpt_neox.layers.0.post_attention_layernorm.weight',
      'gpt_neox.layers.0.post_attention_layernorm.bias',
      'gpt_neox.layers.0.attention.query_key_value.weight',
      'gpt_neox.layers.0.attention.query_key_value.bias',
      'gpt_neox.layers.0.attention.dense.weight',
      'gpt_neox.layers.0.attention.dense.bias',
      'gpt_neox.layers.0.mlp.dense_h_to_4h.weight',
      'gpt_neox.layers.0.mlp.dense_h_to_4h.bias',
      'gpt_neox.layers.0.mlp.dense_4h_to_h.weight',
      'gpt_neox.layers.0.mlp.dense_4h_to_h.bias',
      'gpt_neox.final_layer_norm.weight',
      'gpt_neox.final_layer_norm.bias',
      'embed_out.weight',
    ]);
    expect(model.backend.memory().buffers).toBe(16);
    model.dispose();
    expect(model.backend.memory().buffers).toBe(0);
    expect(tinyModel({ tieEmbeddings: true }).parameters.has('embed_out.weight')).toBe(false);
  });
});

describe('a forward pass', () => {
  test.each(['linear', 'softmax'] as const)('%s: tokens see only what the mask lets them', async (type) => {
    const text = [1, 2, 3, 4, 5, 6];
    for (const [mask, changed, unchanged] of [
      ['causal', 3, [0, 1, 2]],
      ['prefix', 5, [0, 1, 2, 3, 4]],
      ['prefix', 2, []],
      ['bidirectional', 5, []],
    ] as const) {
      const model = tinyModel({ attention: { type, mask } });
      const prefix = mask === 'prefix' ? 4 : undefined;
      const logits = (tokens: number[]) => model.logits(ids(model, [tokens]), { prefix });
      const [before, after] = [logits(text), logits(text.with(changed, 9))];
      for (let i = 0; i < text.length; i++) {
        const row = (x: typeof before) => slice(x, 1, i, i + 1).read();
        if (unchanged.some((n) => n === i)) expect(await row(after)).toEqual(await row(before));
        else expect(await row(after)).not.toEqual(await row(before));
      }
    }
  });

  test('the loss is the mean cross entropy of the logits, by weight', async () => {
    const model = tinyModel();
    const [tokens, targets] = [
      ids(model, [
        [1, 2, 3],
        [4, 5, 6],
      ]),
      ids(model, [
        [2, 3, 4],
        [5, 6, 7],
      ]),
    ];
    const logits = await model.logits(tokens).read();
    const losses = Array.from({ length: 6 }, (_, i) => {
      const row = Array.from(logits.slice(10 * i, 10 * i + 10));
      return Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0)) - row[[2, 3, 4, 5, 6, 7][i]];
    });
    const mean = losses.reduce((x, y) => x + y) / 6;
    expect(relativeError([await model.loss(tokens, targets).item()], [mean])).toBeLessThan(1e-12);
    const weights = tensor(model.backend, [1, 0, 0, 0, 2, 1], [2, 3]);
    const weighted = (losses[0] + 2 * losses[4] + losses[5]) / 4;
    expect(relativeError([await model.loss(tokens, targets, { weights }).item()], [weighted])).toBeLessThan(1e-12);
  });

  test('noise is for training: same step same noise, and none in evaluation', async () => {
    const model = tinyModel({ dropout: { mode: 'unbiased', rate: 0.5 } });
    const tokens = ids(model, [[1, 2, 3]]);
    const run = (options: object) => model.logits(tokens, options).read();
    const still = await run({});
    expect(still).toEqual(await run({ training: true, progress: 1 }));
    const noisy = await run({ training: true, progress: 0, step: 1 });
    expect(noisy).not.toEqual(still);
    expect(noisy).toEqual(await run({ training: true, progress: 0, step: 1 }));
    expect(noisy).not.toEqual(await run({ training: true, progress: 0, step: 2 }));
    expect(noisy).not.toEqual(await run({ training: true, progress: 0, step: 1, seed: 1 }));
  });

  test('a prefix that is missing or too long is refused', () => {
    const model = tinyModel({ attention: { type: 'linear', mask: 'prefix' } });
    expect(() => model.logits(ids(model, [[1, 2]]))).toThrow(expect.objectContaining({ argument: 'prefix' }));
    expect(() => model.logits(ids(model, [[1, 2]]), { prefix: 3 })).toThrow(ShapeError);
  });

  test('leaves nothing behind; constants go with the model', () => {
    const model = tinyModel({ attention: { type: 'linear', featureMap: 'favor' } });
    const tokens = ids(model, [[1, 2, 3]]);
    model.logits(tokens).dispose();
    const { buffers } = model.backend.memory();
    model.logits(tokens).dispose();
    model.loss(tokens, tokens).dispose();
    expect(model.backend.memory().buffers).toBe(buffers);
    tokens.dispose();
    model.dispose();
    expect(model.backend.memory().buffers).toBe(0);
  });
});
