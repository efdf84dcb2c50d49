import { webgpuBackend } from '@linattn/kernels-webgpu';
import * as math from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-webgpu';
import { layers, sequential } from '@tensorflow/tfjs-layers';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';
import { type LinearAttentionOptions, linearAttention, linearAttentionWithState } from '../src/index.ts';
import { LinearAttention } from '../src/layers.ts';

const oracle = float64Backend();
const l2 = { normalize: 'l2' } as const;
let backend: Awaited<ReturnType<typeof webgpuBackend>>;
const deviceOf = () => (tf.backend() as unknown as { readonly device: GPUDevice }).device;

beforeAll(async () => {
  tf.env().set('PROD', true);
  expect(await tf.setBackend('webgpu')).toBe(true);
  backend = await webgpuBackend({ device: deviceOf() });
});
afterAll(() => backend.dispose());
afterEach(() => {
  vi.restoreAllMocks();
});

interface Drawn {
  readonly shape: number[];
  readonly values: Float32Array;
}
const draw = (shape: number[], seed: number): Drawn => ({
  shape,
  values: Float32Array.from({ length: math.sizeOf(shape) }, (_, i) => Math.sin(seed + 3 * i + 0.1 * i * i)),
});
const exact = ({ shape, values }: Drawn) => math.tensor(oracle, values, shape);
const given = ({ shape, values }: Drawn) => tf.tensor(values, shape);

function relativeError(given: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(given.length).toBe(expected.length);
  const differences = Array.from(expected, (value, i) => value - given[i]);
  return Math.hypot(...differences) / Math.hypot(...Array.from(expected));
}

interface Case {
  readonly name: string;
  /** [B, N, H, D, D_v] */
  readonly sizes: readonly [number, number, number, number, number];
  readonly options: math.LinearAttentionOptions & LinearAttentionOptions;
  readonly optional?: readonly ('coefficients' | 'initialState' | 'keyWeights')[];
}

const cases: Case[] = [
  { name: 'l2', sizes: [1, 70, 2, 8, 4], options: l2 },
  { name: 'bidirectional of order 2', sizes: [1, 19, 2, 4, 8], options: { b: 0.3, c: 0.2, mask: 'bidirectional' } },
  {
    name: 'odd sizes, prefix, key weights',
    sizes: [1, 37, 3, 5, 3],
    options: { ...l2, mask: 'prefix', prefix: 9 },
    optional: ['keyWeights'],
  },
  {
    name: 'learned, of order 2, from a state',
    sizes: [1, 21, 1, 4, 3],
    options: { ...l2, order: 2 },
    optional: ['coefficients', 'initialState'],
  },
];

/** A state of tokens that really were: with any numbers denominators could vanish. */
function stateOf([B, N, H, D, V]: Case['sizes']): Drawn {
  const [q, k, v] = [draw([B, N, H, D], 5), draw([B, N, H, D], 6), draw([B, N, H, V], 7)].map(exact);
  const { state } = math.linearAttention(q, k, v, { ...l2, c: 0.25, returnState: true });
  return { shape: [...state!.shape], values: Float32Array.from(oracle.downloadSync!(state!.handle, state!)) };
}

function drawAll({ sizes, optional = [] }: Case): Record<string, Drawn> {
  const [B, N, H, D, V] = sizes;
  const extras: Record<string, () => Drawn> = {
    keyWeights: () => ({
      shape: [B, N, H],
      values: Float32Array.from({ length: B * N * H }, (_, i) => (i % 4 === 3 ? 0 : 1)),
    }),
    coefficients: () => ({ shape: [3], values: Float32Array.of(1, 0.5, 0.25) }),
    initialState: () => stateOf(sizes),
  };
  return {
    ...{ q: draw([B, N, H, D], 1), k: draw([B, N, H, D], 2), v: draw([B, N, H, V], 3) },
    ...Object.fromEntries(optional.map((name) => [name, extras[name]()])),
  };
}

test.each(cases)('$name: output and gradients are those of float64, nothing leaks', async (each) => {
  const drawn = drawAll(each);
  const names = Object.keys(drawn).filter((name) => name !== 'keyWeights');
  const [B, N, H, , V] = each.sizes;
  const dO = draw([B, N, H, V], 4);

  const inFloat64 = Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, exact(value)]));
  const { q, k, v, ...optional } = inFloat64;
  const { outputs, pullback } = math.vjp(
    () => [math.linearAttention(q, k, v, { ...each.options, ...optional }).output] as const,
    names.map((name) => inFloat64[name]),
  );
  const expected = await Promise.all([...outputs, ...pullback([exact(dO)])].map((x) => x.read()));

  const [tensorsBefore, buffersBefore] = [tf.memory().numTensors, backend.memory().buffers];
  const tensors = Object.fromEntries(Object.entries(drawn).map(([name, value]) => [name, given(value)]));
  const upstream = given(dO);
  const attend = (...inputs: tf.Tensor[]) => {
    const { q, k, v, ...rest } = { ...tensors, ...Object.fromEntries(names.map((name, i) => [name, inputs[i]])) };
    const options = { ...each.options, ...rest, backend };
    return linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, options);
  };
  const inputs = names.map((name) => tensors[name]);
  const results = [attend(...inputs), ...tf.grads(attend)(inputs, upstream)];
  for (const [i, result] of results.entries()) {
    const values = await result.data();
    expect(relativeError(values, expected[i]), ['output', ...names][i]).toBeLessThan(1e-5);
  }
  tf.dispose([...Object.values(tensors), upstream, ...results]);
  expect(tf.memory().numTensors).toBe(tensorsBefore);
  expect(backend.memory().buffers).toBe(buffersBefore);
});

test('nothing is copied: not to the host, and not on the device', async () => {
  const [q, k, v] = [1, 2, 3].map((seed) => given(draw([1, 64, 2, 8], seed)));
  const upstream = given(draw([1, 64, 2, 8], 4));
  // Computed by TensorFlow.js and still in its queue.
  const doubled = tf.mul(q, 2);
  tf.mul(upstream, 1).dispose();
  const read = vi.spyOn(GPUBuffer.prototype, 'mapAsync');
  const copies = vi.spyOn(GPUCommandEncoder.prototype, 'copyBufferToBuffer');
  // Small tensors begin on the host, and are uploaded by a copy out of the buffer they are mapped in.
  const copied = () => copies.mock.calls.filter(([from]) => !(from.usage & GPUBufferUsage.MAP_WRITE));
  const attend = (...[q, k, v]: tf.Tensor[]) =>
    linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, { ...l2, backend });
  const gradients = tf.grads(attend)([doubled, k, v], upstream);
  expect(copied()).toEqual([]);
  expect(read).not.toHaveBeenCalled();
  const [expected] = await expectedGradients(2);
  expect(relativeError(await gradients[0].data(), expected)).toBeLessThan(1e-5);
  tf.dispose([q, k, v, upstream, doubled, ...gradients]);
});

async function expectedGradients(factor: number): Promise<ArrayLike<number>[]> {
  const [q, k, v, upstream] = [1, 2, 3, 4].map((seed) => {
    const { shape, values } = draw([1, 64, 2, 8], seed);
    return exact({ shape, values: seed === 1 ? values.map((x) => x * factor) : values });
  });
  const { pullback } = math.vjp(() => [math.linearAttention(q, k, v, l2).output] as const, [q, k, v]);
  return Promise.all(pullback([upstream]).map((x) => x.read()));
}

test('two chunks joined by a state are one sequence, in values and in gradients', async () => {
  const before = tf.memory().numTensors;
  const [q, k, v, upstream] = [1, 2, 3, 4].map((seed) => given(draw([1, 24, 2, 4], seed)));
  const options = { ...l2, backend };
  const inChunks = (...qkv: tf.Tensor[]) => {
    const parts = [0, 1].map((i) => qkv.map((x) => tf.slice(x, [0, 10 * i, 0, 0], [-1, i ? 14 : 10, -1, -1])));
    const [[q1, k1, v1], [q2, k2, v2]] = parts as tf.Tensor4D[][];
    const { output, state } = linearAttentionWithState(q1, k1, v1, options);
    return tf.concat([output, linearAttention(q2, k2, v2, { ...options, initialState: state })], 1);
  };
  const whole = (...[q, k, v]: tf.Tensor[]) =>
    linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D, options);
  const [split, joined] = [inChunks, whole].map((f) =>
    tf.tidy(() => [f(q, k, v), ...tf.grads(f)([q, k, v], upstream)]),
  );
  for (const [i, each] of split.entries()) {
    expect(relativeError(await each.data(), await joined[i].data())).toBeLessThan(1e-5);
  }
  tf.dispose([q, k, v, upstream, ...split, ...joined]);
  expect(tf.memory().numTensors).toBe(before);
});

test('a model with the layer trains, and keeps nothing on either side', async () => {
  const model = sequential({
    layers: [
      new LinearAttention({ heads: 2, inputShape: [12, 8], seed: 1, backend }),
      layers.dense({ units: 1, kernelInitializer: 'ones' }),
    ],
  });
  model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });
  const x = given(draw([4, 12, 8], 1));
  const y = tf.mul(tf.mean(x, 2, true), 2);
  await model.fit(x, y, { epochs: 1, batchSize: 4, verbose: 0 });
  const [tensorsBefore, buffersBefore] = [tf.memory().numTensors, backend.memory().buffers];
  const { history } = await model.fit(x, y, { epochs: 12, batchSize: 4, verbose: 0 });
  expect(history.loss.at(-1)).toBeLessThan(0.7 * (history.loss[0] as number));
  expect(tf.memory().numTensors).toBe(tensorsBefore);
  expect(backend.memory().buffers).toBe(buffersBefore);
});

test('what cannot be is refused by name', async () => {
  const own = await webgpuBackend();
  const [q, k, v] = [1, 2, 3].map((seed) => given(draw([1, 8, 1, 4], seed)) as tf.Tensor4D);
  const before = tf.memory().numTensors;
  expect(() => linearAttention(q, k, v, { backend: own })).toThrow(/^backend: .*device/);
  expect(() => linearAttention(q, k, v, { backend, strict: true })).toThrow(/strict/);
  expect(() => linearAttention(q, k, tf.tidy(() => tf.slice(v, [0, 1, 0, 0])) as tf.Tensor4D, { backend })).toThrow(
    /^v: /,
  );
  expect(tf.memory().numTensors).toBe(before + 1);
  await tf.setBackend('cpu');
  expect(() => linearAttention(q, k, v, { backend })).toThrow(/tfjs-backend-webgpu/);
  await tf.setBackend('webgpu');
  await own.dispose();
});
