import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { FormatError, ValueError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test } from 'vitest';
import {
  configFromHuggingFace,
  configToHuggingFace,
  GPTNeoX,
  readSafetensors,
  writeSafetensors,
} from '../src/index.ts';
import { gradientsOf, ids, relativeError, tinyModel } from './helpers.ts';

const folder = resolve(import.meta.dirname, '../../../../shared/data/fixtures');
const present = existsSync(resolve(folder, 'gptneox-example.json'));

interface Encoded {
  readonly shape: number[];
  readonly f64: string;
}

const decode = ({ f64 }: Encoded): Float64Array => new Float64Array(Uint8Array.from(Buffer.from(f64, 'base64')).buffer);

describe.skipIf(!present)(
  `Hugging Face's own numbers${present ? '' : ' (skipped: ../shared/data/fixtures is absent)'}`,
  () => {
    const load = () => {
      const example = JSON.parse(readFileSync(resolve(folder, 'gptneox-example.json'), 'utf8')) as {
        config: unknown;
        ids: number[][];
        logits: Encoded;
        loss: number;
        grads: Record<string, Encoded>;
      };
      const file = readSafetensors(readFileSync(resolve(folder, 'gptneox-example.safetensors')), 'example');
      return { example, model: GPTNeoX.load(float64Backend(), configFromHuggingFace(example.config), file) };
    };

    test('logits, loss and gradients agree to the rounding of float32 rotary angles', async () => {
      const { example, model } = load();
      const logits = await model.logits(ids(model, example.ids)).read();
      expect(relativeError(logits, decode(example.logits))).toBeLessThan(1e-7);

      const tokens = ids(
        model,
        example.ids.map((row) => row.slice(0, -1)),
      );
      const targets = ids(
        model,
        example.ids.map((row) => row.slice(1)),
      );
      const loss = () => model.loss(tokens, targets);
      expect(Math.abs((await loss().item()) / example.loss - 1)).toBeLessThan(1e-7);
      const gradients = gradientsOf(model, loss);
      expect(Object.keys(example.grads).length).toBeGreaterThan(0);
      for (const [name, expected] of Object.entries(example.grads)) {
        const gradient = await gradients.get(name.replace('lm_head', 'embed_out'))!.read();
        expect(relativeError(gradient, decode(expected)), name).toBeLessThan(1e-7);
      }
    });
  },
);

describe('configurations', () => {
  test('come back as they went out', () => {
    for (const attention of [{ type: 'softmax' }, { type: 'linear', c: 0.25, learnable: true }] as const) {
      const { config } = tinyModel({
        attention,
        dropout: attention.type === 'linear' ? { mode: 'keys', rate: 0.2 } : {},
      });
      const json = JSON.parse(JSON.stringify(configToHuggingFace(config)));
      // How parameters were first drawn is no part of a Hugging Face configuration.
      expect(configFromHuggingFace(json)).toEqual(config);
    }
  });

  test("Pythia's older names are read", () => {
    const config = configFromHuggingFace({
      model_type: 'gpt_neox',
      vocab_size: 50304,
      hidden_size: 512,
      num_hidden_layers: 6,
      num_attention_heads: 8,
      intermediate_size: 2048,
      hidden_act: 'gelu',
      rotary_pct: 0.25,
      rotary_emb_base: 10000,
      use_parallel_residual: true,
    });
    expect(config).toMatchObject({
      vocabSize: 50304,
      layers: 6,
      heads: 8,
      rotaryFraction: 0.25,
      attention: { type: 'softmax' },
    });
  });

  test.each([
    [{ model_type: 'llama' }, 'model_type'],
    [{ model_type: 'gpt_neox', hidden_act: 'gelu_new' }, 'hidden_act'],
    [{ model_type: 'gpt_neox', rope_parameters: { rope_type: 'yarn' } }, 'rope_parameters.rope_type'],
    [{ model_type: 'gpt_neox' }, 'vocabSize'],
    [null, 'model_type'],
  ])('%j is refused by name', (json, argument) => {
    expect(() => configFromHuggingFace(json)).toThrow(expect.objectContaining({ argument, code: 'VALUE' }));
    expect(() => configFromHuggingFace(json)).toThrow(ValueError);
  });
});

describe('parameters out of a file', () => {
  const { config, parameters } = tinyModel({ attention: { type: 'softmax' } });
  const entries = [...parameters].map(
    ([name, { shape, size }]) => [name, { shape, values: new Float32Array(size) }] as const,
  );
  const load = (tensors: typeof entries) => {
    const backend = float64Backend();
    try {
      return GPTNeoX.load(backend, config, readSafetensors(writeSafetensors(tensors), 'model.safetensors'));
    } catch (error) {
      expect(backend.memory().buffers).toBe(0);
      throw error;
    }
  };

  test('older files: buffers beside the parameters are passed over', () => {
    const buffer = [
      'gpt_neox.layers.0.attention.rotary_emb.inv_freq',
      { shape: [2], values: new Float32Array(2) },
    ] as const;
    expect(load([...entries, buffer]).parameters.size).toBe(parameters.size);
  });

  test('newer files: the output layer is called lm_head', () => {
    const renamed = entries.map(([name, tensor]) => [name.replace('embed_out', 'lm_head'), tensor] as const);
    expect(load(renamed).parameters.has('embed_out.weight')).toBe(true);
  });

  test('a missing tensor, one of another shape, one too many and one with NaN are told by name', () => {
    expect(() => load(entries.slice(1))).toThrow(/model\.safetensors: it has no tensor gpt_neox\.embed_in\.weight/);
    const [first, ...others] = entries;
    expect(() => load([[first[0], { shape: [2], values: new Float32Array(2) }], ...others])).toThrow(
      /tensor gpt_neox\.embed_in\.weight is \[2\], the model's \[10, 8\]/,
    );
    const extra = ['gpt_neox.extra', { shape: [1], values: new Float32Array(1) }] as const;
    expect(() => load([...entries, extra])).toThrow(FormatError);
    const broken = { shape: first[1].shape, values: new Float32Array(80).fill(Number.NaN) };
    expect(() => load([[first[0], broken], ...others])).toThrow(
      /model\.safetensors: tensor gpt_neox\.embed_in\.weight/,
    );
  });

  test('softmax weights start a model with learned coefficients from the values that were asked for', async () => {
    const options = { ...config, attention: { type: 'linear', a: 2, b: 0.5, learnable: true } } as const;
    const model = GPTNeoX.load(float64Backend(), options, readSafetensors(writeSafetensors(entries)));
    expect(Array.from(await model.parameters.get('gpt_neox.layers.1.attention.coefficients')!.read())).toEqual([
      2, 0.5, 0,
    ]);
  });
});
