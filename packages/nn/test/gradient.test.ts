import { scope, tensor } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import type { GPTNeoXOptions } from '../src/index.ts';
import { gradientsOf, ids, tinyModel } from './helpers.ts';

const tokens = [
  [1, 2, 3, 4, 5, 6, 7],
  [9, 0, 9, 3, 3, 1, 8],
];
const targets = [
  [2, 3, 4, 5, 6, 7, 8],
  [0, 9, 3, 3, 1, 8, 2],
];

const models: [string, Partial<GPTNeoXOptions>][] = [
  ['linear attention', { layers: 2, attention: { type: 'linear' } }],
  [
    'linear attention, learned a, b, c',
    { attention: { type: 'linear', c: 0.3, learnable: true }, parallelResidual: false },
  ],
  ['linear attention over a prefix', { attention: { type: 'linear', mask: 'prefix' } }],
  ['softmax attention', { attention: { type: 'softmax' }, tieEmbeddings: true }],
  ['softmax attention over a prefix', { attention: { type: 'softmax', mask: 'prefix' }, activation: 'silu' }],
  ['features: relu', { attention: { type: 'linear', featureMap: 'relu' } }],
  ['features: favor', { attention: { type: 'linear', featureMap: 'favor' } }],
  ['short convolutions', { attention: { type: 'linear' }, shortConvolution: 3 }],
  ['short convolutions, longer than the text', { attention: { type: 'softmax' }, shortConvolution: 9 }],
  ['noise: keys', { dropout: { mode: 'keys', rate: 0.3 } }],
  ['noise: paper', { dropout: { mode: 'paper', rate: 0.3 } }],
  ['dropped softmax weights', { attention: { type: 'softmax' }, dropout: { mode: 'weights', rate: 0.3 } }],
];

describe.each(models)('%s', (_, options) => {
  test('every gradient is the slope of the loss', async () => {
    // A wide spread of parameters: at the usual small start most slopes are tiny.
    const model = tinyModel({ layers: 1, ...options, initialization: 'normal' });
    for (const [name, parameter] of model.parameters) {
      const values = await parameter.read();
      parameter.assign(
        tensor(
          model.backend,
          values.map((value, i) => value + 0.3 * Math.sin(i * 1.7 + name.length)),
          parameter.shape,
        ),
      );
    }
    const context = {
      training: true,
      progress: 0.25,
      step: 3,
      seed: 4,
      prefix: options.attention?.mask === 'prefix' ? 3 : undefined,
      weights: tensor(model.backend, [0, 0, 1, 1, 1, 1, 1, 0, 0, 1, 1, 0.5, 1, 1], [2, 7]),
    };
    const loss = () => model.loss(ids(model, tokens), ids(model, targets), context);
    const gradients = gradientsOf(model, loss);
    for (const [name, parameter] of model.parameters) {
      const values = Float64Array.from(await parameter.read());
      const gradient = Float64Array.from(await gradients.get(name)!.read());
      // Along one direction for all elements of a parameter.
      const direction = values.map((_, i) => Math.cos(3 * i + name.length));
      const at = async (step: number) => {
        parameter.assign(
          tensor(
            model.backend,
            values.map((value, i) => value + step * direction[i]),
            parameter.shape,
          ),
        );
        return scope(loss).item();
      };
      const h = 1e-3;
      const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
      await at(0);
      const expected = gradient.reduce((sum, value, i) => sum + value * direction[i], 0);
      expect(Math.abs(slope - expected), name).toBeLessThan(1e-8 * Math.max(1, Math.abs(expected)));
    }
  });
});
