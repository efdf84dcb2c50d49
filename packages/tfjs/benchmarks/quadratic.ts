import * as tf from '@tensorflow/tfjs-core';

/** Causal attention with f(x) = 1 + x in operations of TensorFlow.js, with all N² weights, and its gradients: q, k, v [H, N, D]. */
export function quadratic(heads: number, tokens: number, width: number, data: readonly Float32Array[]) {
  const [q, k, v, upstream] = data.map((values) => tf.tensor3d(values, [heads, tokens, width]));
  const mask = tf.linalg.bandPart(tf.ones([tokens, tokens]), -1, 0);
  const attend = (q: tf.Tensor, k: tf.Tensor, v: tf.Tensor): tf.Tensor => {
    const weights = tf.mul(tf.add(tf.matMul(q, k, false, true), 1), mask);
    return tf.div(tf.matMul(weights, v), tf.sum(weights, 2, true));
  };
  const gradients = tf.grads(attend);
  return {
    forward: () => void tf.tidy(() => attend(q, k, v)),
    gradients: () => void tf.tidy(() => gradients([q, k, v], upstream)),
    dispose: () => tf.dispose([q, k, v, upstream, mask]),
  };
}
