import * as tf from '@tensorflow/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createModel, train } from '../examples/marked-token.ts';
import { dispose, ready } from '../src/index.ts';
import { LinearAttention, type LinearAttentionArgs } from '../src/layers.ts';
import { frameworks, numbers, oracle, relativeError, use } from './support.ts';

beforeAll(() => ready());
afterAll(() => dispose());

const [B, N, E] = [2, 9, 12];
const tensorOf = (seed: number) => tf.tensor3d(numbers(B * N * E, seed), [B, N, E]);

const modelOf = (args: Partial<LinearAttentionArgs> = {}) =>
  tf.sequential({ layers: [new LinearAttention({ heads: 3, inputShape: [null, E], seed: 4, ...args })] });

const predicted = (model: tf.LayersModel, x: tf.Tensor): Float32Array =>
  tf.tidy(() => (model.predict(x) as tf.Tensor).dataSync<'float32'>().slice());

describe.each(frameworks)('on tfjs %s', (framework) => {
  beforeAll(() => use(framework));

  test('a tiny model learns with model.fit, and leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    const model = createModel();
    const withModel = tf.memory().numTensors;
    const losses = await train(model, 6);
    // About ln 6 at first; no less than 1.6 is possible without looking at other tokens.
    expect(losses[0]).toBeGreaterThan(1.6);
    expect(losses.at(-1)).toBeLessThan(0.2);
    expect(tf.memory().numTensors).toBe(withModel);
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  test.each<[string, Partial<LinearAttentionArgs>]>([
    ['defaults', {}],
    [
      'everything',
      { headDim: 5, useBias: false, learnable: true, c: 0.5, order: 2, mask: 'prefix', prefix: 3, strict: true },
    ],
    ['no normalisation', { normalize: 'none', a: 4, mask: 'bidirectional' }],
  ])('saved and loaded with its model: %s', async (_, args) => {
    const model = modelOf(args);
    const x = tensorOf(1);
    const expected = predicted(model, x);
    let artifacts: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (given) => {
        artifacts = given;
        return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
      }),
    );
    // As a file would hold it.
    const modelTopology = JSON.parse(JSON.stringify(artifacts!.modelTopology));
    const loaded = await tf.loadLayersModel(tf.io.fromMemory({ ...artifacts, modelTopology }));
    expect(loaded.layers[0]).toBeInstanceOf(LinearAttention);
    expect(loaded.layers[0].getConfig()).toEqual(model.layers[0].getConfig());
    expect(predicted(loaded, x)).toEqual(expected);
    tf.dispose(x);
    model.dispose();
    loaded.dispose();
  });
});

describe('the layer', () => {
  beforeAll(() => use('cpu'));

  test('equal seeds give equal weights, others do not', () => {
    const x = tensorOf(2);
    const [first, same, other] = [1, 1, 2].map((seed) => predicted(modelOf({ seed }), x));
    expect(same).toEqual(first);
    expect(relativeError(other, first)).toBeGreaterThan(0.1);
    x.dispose();
  });

  test('hides what a mask hides, and passes the mask on', () => {
    const layer = new LinearAttention({ heads: 3, seed: 1, mask: 'bidirectional' });
    const model = tf.sequential({ layers: [tf.layers.masking({ maskValue: 0, inputShape: [null, E] }), layer] });
    tf.tidy(() => {
      const x = tensorOf(3);
      const shown = tf.slice(x, [0, 0, 0], [-1, 6, -1]);
      const padded = tf.pad(shown, [[0, 0], [0, 3], [0, 0]]); // biome-ignore format: one line
      const alone = model.predict(shown) as tf.Tensor;
      const together = tf.slice(model.predict(padded) as tf.Tensor, [0, 0, 0], [-1, 6, -1]);
      expect(relativeError(together.dataSync(), alone.dataSync())).toBeLessThan(1e-5);
      // Rows that see hidden keys only are finite all the same.
      const hidden = model.predict(tf.zerosLike(x)) as tf.Tensor;
      expect(hidden.dataSync().every(Number.isFinite)).toBe(true);
      const mask = tf.ones([B, N]);
      expect(layer.computeMask(x, mask)).toBe(mask);
    });
  });

  test('learns its coefficients where asked to', () => {
    const model = modelOf({ learnable: true, order: 2, c: 0.1 });
    const layer = model.layers[0];
    tf.tidy(() => {
      const x = tensorOf(5);
      const { grads } = tf.variableGrads(() => tf.sum(tf.square(model.apply(x) as tf.Tensor)) as tf.Scalar);
      const entry = Object.entries(grads).find(([name]) => name.includes('coefficients'))!;
      expect(entry[1].dataSync().every((value) => value !== 0)).toBe(true);
      expect(layer.countParams()).toBe(E * 3 * E + 3 * E + E * E + E + 3);
    });
  });

  test('computes where it is told to', () => {
    const x = tensorOf(6);
    const [here, there] = [undefined, oracle].map((backend) => predicted(modelOf({ backend }), x));
    expect(relativeError(here, there)).toBeLessThan(1e-5);
    expect(here).not.toEqual(there);
    x.dispose();
  });

  test.each<[string, Partial<LinearAttentionArgs>]>([
    ['heads', { heads: 0 }],
    ['heads', { heads: 5 }],
    ['headDim', { headDim: 1.5 }],
    ['mask', { mask: 'full' as 'causal' }],
    ['prefix', { mask: 'prefix' }],
    ['normalize', { normalize: 'l1' as 'l2' }],
    ['radius', { radius: -1 }],
  ])('says which option is wrong: %s', (name, args) => {
    expect(() => modelOf(args)).toThrow(new RegExp(`^${name}: `));
  });
});
