import { LinearAttention } from '@linattn/tfjs/layers';
import * as tf from '@tensorflow/tfjs';

const [symbols, tokens, width] = [6, 12, 24];

/**
 * Sequences of random symbols, one of them marked: at every position the answer is the marked symbol, which a layer that looks at
 * one token at a time cannot know. Features: a symbol as one-hot, and the mark.
 */
export function sequences(count: number, seed: number): { xs: tf.Tensor; ys: tf.Tensor } {
  return tf.tidy(() => {
    const drawn = tf.randomUniform([count, tokens], 0, symbols, 'int32', seed);
    const marked = tf.oneHot(tf.randomUniform([count], 0, tokens, 'int32', seed + 1), tokens);
    const answer = tf.sum(tf.mul(drawn, marked), 1, true);
    const xs = tf.concat([tf.oneHot(drawn, symbols), tf.expandDims(marked, 2)], 2);
    return { xs: tf.cast(xs, 'float32'), ys: tf.cast(tf.tile(tf.expandDims(answer, 2), [1, tokens, 1]), 'float32') };
  });
}

export function createModel(seed = 1): tf.LayersModel {
  const glorot = (offset: number) => tf.initializers.glorotNormal({ seed: seed + offset });
  return tf.sequential({
    layers: [
      tf.layers.dense({
        inputShape: [tokens, symbols + 1],
        units: width,
        activation: 'relu',
        kernelInitializer: glorot(1),
      }),
      new LinearAttention({ heads: 2, mask: 'bidirectional', seed }),
      tf.layers.dense({ units: symbols, activation: 'softmax', kernelInitializer: glorot(2) }),
    ],
  });
}

/** Trains with `model.fit` and tells the loss of each epoch, in nats a token. */
export async function train(model: tf.LayersModel, epochs: number): Promise<number[]> {
  const optimizer = tf.train.adam(0.03);
  model.compile({ optimizer, loss: 'sparseCategoricalCrossentropy' });
  const { xs, ys } = sequences(128, 7);
  const { history } = await model.fit(xs, ys, { epochs, batchSize: 32, verbose: 0, shuffle: false });
  tf.dispose([xs, ys]);
  optimizer.dispose();
  return history.loss as number[];
}
