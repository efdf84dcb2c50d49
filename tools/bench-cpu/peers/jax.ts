import * as jax from '@jax-js/jax';

const { numpy: np, jit, grad, blockUntilReady } = jax;
export type JaxArray = jax.Array;

export const upload = (values: Float32Array | Int32Array, shape: readonly number[]): JaxArray =>
  np.array(values).reshape([...shape]);

/** Waits for results, then frees them. */
export async function settle(results: JaxArray | readonly JaxArray[]): Promise<void> {
  const list = Array.isArray(results) ? results : [results];
  await blockUntilReady(list as JaxArray[]);
  for (const result of list) result.dispose();
}

const lastTwoSwapped = (x: JaxArray): JaxArray => np.swapaxes(x, -1, -2);

/** op(a) op(b), compiled. */
export const matmul = (transposeA: boolean, transposeB: boolean) =>
  jit((a: JaxArray, b: JaxArray) => np.matmul(transposeA ? lastTwoSwapped(a) : a, transposeB ? lastTwoSwapped(b) : b));

/**
 * Causal attention with f(x) = 1 + x in chunks, as array code: q, k, v [H, chunks, C, D]. States of chunks by a triangular
 * product, then state times query plus the masked block. `tri` [chunks, chunks] is below the diagonal, `mask` [C, C] on and below.
 */
export function chunkedAttention(q: JaxArray, k: JaxArray, v: JaxArray, tri: JaxArray, mask: JaxArray): JaxArray {
  const [heads, chunks, size, width] = v.shape;
  const one = np.ones([heads, chunks, size, 1]);
  const w = np.concatenate([v, one], -1);
  const states = np.matmul(lastTwoSwapped(k.ref), w.ref).reshape([heads, chunks, width * (width + 1)]);
  const starts = np.matmul(tri.ref, states).reshape([heads, chunks, width, width + 1]);
  const sums = np.matmul(tri, w.ref.sum(2)).reshape([heads, chunks, 1, width + 1]);
  const scores = np.matmul(q.ref, lastTwoSwapped(k)).add(1).mul(mask);
  const both = np.matmul(q, starts).add(np.matmul(scores, w)).add(sums);
  const [o, g] = np.split(both, [width], -1);
  return o.div(g);
}

export interface ChunkedProblem {
  readonly inputs: readonly JaxArray[];
  readonly gradients: (...inputs: JaxArray[]) => JaxArray[];
}

/**
 * Gradients of q, k and v for a given gradient of the output, compiled. (Forward alone is not compared: compiled by itself it is
 * several times slower than forward and backward together, which says nothing.)
 */
export function attention(
  heads: number,
  tokens: number,
  width: number,
  chunk: number,
  data: readonly Float32Array[],
): ChunkedProblem {
  const chunks = tokens / chunk;
  const shape = [heads, chunks, chunk, width];
  const below = np.tri(chunks, chunks, -1);
  const mask = np.tri(chunk, chunk);
  const loss = (q: JaxArray, k: JaxArray, v: JaxArray, d: JaxArray, tri: JaxArray, m: JaxArray) =>
    chunkedAttention(q, k, v, tri, m).mul(d).sum();
  return {
    inputs: [...data.map((values) => upload(values, shape)), below, mask],
    gradients: jit(grad(loss, { argnums: [0, 1, 2] })) as unknown as ChunkedProblem['gradients'],
  };
}
