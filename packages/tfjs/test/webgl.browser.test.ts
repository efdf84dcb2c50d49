import * as math from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { dispose, linearAttention, ready } from '../src/index.ts';

const [B, N, H, D] = [1, 19, 2, 8];
const numbers = (seed: number) =>
  Float32Array.from({ length: B * N * H * D }, (_, i) => Math.fround(Math.sin(seed + 3 * i)));
const norm = (x: ArrayLike<number>) => Math.hypot(...Array.from(x));

beforeAll(async () => {
  tf.env().set('PROD', true);
  await ready();
  expect(await tf.setBackend('webgl')).toBe(true);
});
afterAll(() => dispose());

test('on tfjs webgl: output and gradients are those of float64, nothing leaks', async () => {
  const data = [1, 2, 3, 4].map(numbers);
  const oracle = float64Backend();
  const [q, k, v, d] = data.map((values) => math.tensor(oracle, values, [B, N, H, D]));
  const { outputs, pullback } = math.vjp(
    () => [math.linearAttention(q, k, v, { normalize: 'l2' }).output] as const,
    [q, k, v],
  );
  const exact = await Promise.all([...outputs, ...pullback([d])].map((each) => each.read()));

  const before = tf.memory().numTensors;
  const [x, y, z, upstream] = data.map((values) => tf.tensor4d(values, [B, N, H, D]));
  const attend = (...[q, k, v]: tf.Tensor[]) =>
    linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { normalize: 'l2' });
  const given = [attend(x, y, z), ...tf.grads(attend)([x, y, z], upstream)];
  for (const [i, each] of given.entries()) {
    const values = await each.data();
    const difference = exact[i].map((value, at) => value - values[at]);
    expect(norm(difference) / norm(exact[i])).toBeLessThan(1e-5);
  }
  tf.dispose([x, y, z, upstream, ...given]);
  expect(tf.memory().numTensors).toBe(before);
});
