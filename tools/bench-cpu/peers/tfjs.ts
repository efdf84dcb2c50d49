import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';

/** Opens the WebAssembly backend. In Node it has one thread. */
export async function open(): Promise<string> {
  const require = createRequire(import.meta.url);
  const folder = dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
  // The package's entry for Node leaves the gradients out; their registry is one for all copies of it.
  require('@tensorflow/tfjs-core/dist/register_all_gradients.js');
  setWasmPaths(join(folder, '/'));
  await tf.setBackend('wasm');
  await tf.ready();
  return tf.version_core;
}

export const upload = (values: Float32Array, shape: readonly number[]): tf.Tensor => tf.tensor(values, [...shape]);

export function matmul(a: tf.Tensor, b: tf.Tensor, transposeA: boolean, transposeB: boolean): void {
  const c = tf.matMul(a, b, transposeA, transposeB);
  c.dispose();
}

/** The same chunked formulation as for jax-js; its gradients by tf.grads. */
function chunkedAttention(q: tf.Tensor, k: tf.Tensor, v: tf.Tensor, tri: tf.Tensor, mask: tf.Tensor): tf.Tensor {
  const [heads, chunks, size, width] = v.shape;
  const flat = (x: tf.Tensor) => tf.reshape(x, [heads * chunks, size, x.shape[3]!]);
  const w = tf.concat([v, tf.ones([heads, chunks, size, 1])], 3);
  const states = tf.reshape(tf.matMul(flat(k), flat(w), true), [heads, chunks, width * (width + 1)]);
  const repeated = tf.tile(tf.expandDims(tri, 0), [heads, 1, 1]);
  const starts = tf.reshape(tf.matMul(repeated, states), [heads * chunks, width, width + 1]);
  const sums = tf.reshape(tf.matMul(repeated, tf.sum(w, 2)), [heads * chunks, 1, width + 1]);
  const scores = tf.mul(tf.add(tf.matMul(flat(q), flat(k), false, true), 1), mask);
  const both = tf.add(tf.add(tf.matMul(flat(q), starts), tf.matMul(scores, flat(w))), sums);
  const [o, g] = tf.split(both, [width, 1], 2);
  return tf.div(o, g);
}

export function attention(heads: number, tokens: number, width: number, chunk: number, data: readonly Float32Array[]) {
  const chunks = tokens / chunk;
  const [q, k, v, d] = data.map((values) => upload(values, [heads, chunks, chunk, width]));
  const triangle = (size: number, above: number) =>
    tf.tensor2d(
      Float32Array.from({ length: size * size }, (_, i) => (i % size < Math.floor(i / size) + above ? 1 : 0)),
      [size, size],
    );
  const tri = triangle(chunks, 0);
  const mask = triangle(chunk, 1);
  const upstream = tf.reshape(d, [heads * chunks, chunk, width]);
  const gradients = tf.grads((...inputs: tf.Tensor[]) =>
    tf.sum(tf.mul(chunkedAttention(inputs[0], inputs[1], inputs[2], tri, mask), upstream)),
  );
  return {
    forward: () => void tf.tidy(() => chunkedAttention(q, k, v, tri, mask)),
    gradients: () => void tf.tidy(() => gradients([q, k, v])),
    dispose: () => tf.dispose([q, k, v, d, tri, mask, upstream]),
  };
}
