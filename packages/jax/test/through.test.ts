import './navigator.ts';
import { type Array as JaxArray, numpy as np, tree, valueAndGrad } from '@jax-js/jax';
import { ValueError } from '@linattn/math';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { initialParams, lossAndGradients, type Params, sequences, sizes, train } from '../examples/marked-token.ts';
import { dispose, ready, valueAndGradThrough } from '../src/index.ts';
import { relativeError } from './support.ts';

beforeAll(() => ready());
afterAll(() => dispose());

/** The example's model with its attention in jax-js's own operations, all N² weights of it. */
function quadratic({ embedding, layers, head }: Params, xs: JaxArray, ys: JaxArray): JaxArray {
  const { tokens, width, heads } = sizes;
  const relu = (x: JaxArray) => np.maximum(x, 0);
  let x = relu(np.matmul(xs, embedding));
  for (const { qkv, out, logC } of layers) {
    const [q, k, v] = np
      .split(np.matmul(x.ref, qkv), 3, -1)
      .map((each) => np.transpose(each.reshape([-1, tokens, heads, width / heads]), [0, 2, 1, 3]));
    const unit = (y: JaxArray) => y.ref.div(np.sqrt(np.square(y).sum(-1, { keepdims: true }))).mul(Math.sqrt(0.95));
    const scores = np.matmul(unit(q), np.swapaxes(unit(k), -1, -2));
    const weights = np.square(scores.ref).mul(np.exp(logC)).add(scores).add(1);
    const o = np.matmul(weights.ref, v).div(weights.sum(-1, { keepdims: true }));
    x = x.add(relu(np.matmul(np.transpose(o, [0, 2, 1, 3]).reshape([-1, tokens, width]), out)));
  }
  const logits = np.matmul(x, head);
  const logNorm = np.log(np.exp(logits.ref).sum(-1));
  return logNorm.sub(logits.mul(ys).sum(-1)).mean();
}

test.each([1, 3])('%i layers: loss and every gradient are those of the same model in jax-js alone', (layers) => {
  const params = initialParams(layers);
  const [xs, ys] = sequences(8, 5);
  const [expectedLoss, expected] = valueAndGrad(quadratic)(tree.ref(params), xs.ref, ys.ref);
  const step = lossAndGradients(layers);
  const [loss, gradients] = step(tree.ref(params), xs.ref, ys.ref);
  expect(loss.item()).toBeCloseTo(expectedLoss.item(), 5);
  expect(tree.structure(gradients).equals(tree.structure(params))).toBe(true);
  const [given, wanted] = [gradients, expected].map((each) => tree.leaves<JaxArray>(each));
  for (const [i, gradient] of given.entries()) {
    const exact = wanted[i].dataSync() as Float32Array;
    expect(relativeError(gradient.dataSync() as Float32Array, exact), `gradient ${i}`).toBeLessThan(1e-5);
  }
  // Only our own references are left.
  expect([xs, ys, ...tree.leaves<JaxArray>(params)].map((each) => each.refCount)).toEqual(
    [xs, ys, ...tree.leaves<JaxArray>(params)].map(() => 1),
  );
  step.dispose();
});

test('a tiny model learns what only attention can tell', () => {
  const losses = train(50);
  // About ln 6 at first; no less than 1.6 is possible without looking at other tokens.
  expect(losses[0]).toBeGreaterThan(1.6);
  expect(losses.at(-1)).toBeLessThan(0.1);
});

test('says what is wrong with stages and options', () => {
  const loss = () => np.zeros([]);
  expect(() => valueAndGradThrough([loss] as never)).toThrow(ValueError);
  expect(() => valueAndGradThrough([loss, loss] as never, [])).toThrow(/^options: expected 1, one for each/);
});
