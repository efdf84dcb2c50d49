import { at, int, ptr } from '../lib/args';
import { fillZero, firstLanes, transposeTile } from '../lib/simd';
import { FULL, LOWER_A, LOWER_C, product, UPPER_A, UPPER_C } from '../lib/tile';
import { loadRows, storeRows } from './rows';

const CHUNK: i32 = 32;
const rowC: usize = <usize>CHUNK << 2;
const FORWARD: i32 = 0;
const REVERSE: i32 = 1;
const ALL: i32 = 2;

/**
 * T(x, y, z)_i = Σ_n (x_i · y_n) z_n over n <= i, n >= i or all n, by chunks under the running Σ y zᵀ. Block: one head.
 * args: x, y, z, state (0: none), output, final state (0: none), N, M, heads, features, width, direction
 */
export function tripleProduct(head: i32, args: usize, scratch: usize): void {
  const n = int(args, 6);
  const m = int(args, 7);
  const heads = int(args, 8);
  const features = int(args, 9);
  const width = int(args, 10);
  const direction = int(args, 11);
  const F = (features + 7) & ~7;
  const E = (width + 7) & ~7;
  const rowF = <usize>F << 2;
  const rowE = <usize>E << 2;
  const x = scratch;
  const y = at(x, CHUNK * F);
  const yT = at(y, CHUNK * F);
  const z = at(yT, CHUNK * F);
  const out = at(z, CHUNK * E);
  const scores = at(out, CHUNK * E);
  const state = at(scores, CHUNK * CHUNK);
  const strideF = <usize>(heads * features) << 2;
  const strideE = <usize>(heads * width) << 2;
  const batch = head / heads;
  const inHead = head % heads;
  const xs = at(ptr(args, 0), (batch * n * heads + inHead) * features);
  const os = at(ptr(args, 4), (batch * n * heads + inHead) * width);
  const ys = at(ptr(args, 1), (batch * m * heads + inHead) * features);
  const zs = at(ptr(args, 2), (batch * m * heads + inHead) * width);
  if (ptr(args, 3)) {
    const initial = at(ptr(args, 3), head * features * width);
    loadRows(initial, <usize>width << 2, features, width, E, F, 0, 1, state);
  } else fillZero(state, F * E);

  if (direction == ALL) {
    for (let t = 0; t < m; t += CHUNK) {
      const rows = min(CHUNK, m - t);
      const size = (rows + 7) & ~7;
      loadRows(ys + <usize>t * strideF, strideF, rows, features, F, size, 0, 1, y);
      loadRows(zs + <usize>t * strideE, strideE, rows, width, E, size, 0, 1, z);
      transposeTile(size, F, y, rowF, yT, rowC);
      product(FULL, F, E, size, yT, rowC, z, rowE, state, rowE, true);
    }
  }
  const chunks = (n + CHUNK - 1) / CHUNK;
  for (let i = 0; i < chunks; i++) {
    const t = (direction == REVERSE ? chunks - 1 - i : i) * CHUNK;
    const rows = min(CHUNK, n - t);
    const size = (rows + 7) & ~7;
    loadRows(xs + <usize>t * strideF, strideF, rows, features, F, size, 0, 1, x);
    product(FULL, size, E, F, x, rowF, state, rowE, out, rowE, false);
    if (direction != ALL) {
      loadRows(ys + <usize>t * strideF, strideF, rows, features, F, size, 0, 1, y);
      loadRows(zs + <usize>t * strideE, strideE, rows, width, E, size, 0, 1, z);
      transposeTile(size, F, y, rowF, yT, rowC);
      const forward = direction == FORWARD;
      product(forward ? LOWER_C : UPPER_C, size, size, F, x, rowF, yT, rowC, scores, rowC, false);
      for (let r = 0; r < size; r++) {
        // Only the vector on the diagonal holds both sides; the triangular product leaves the others out.
        const p = scores + <usize>r * rowC + (<usize>(r & ~3) << 2);
        const upTo = firstLanes((r & 3) + (forward ? 1 : 0));
        v128.store(p, forward ? v128.and(v128.load(p), upTo) : v128.andnot(v128.load(p), upTo));
      }
      product(forward ? LOWER_A : UPPER_A, size, E, size, scores, rowC, z, rowE, out, rowE, true);
      product(FULL, F, E, size, yT, rowC, z, rowE, state, rowE, true);
    }
    storeRows(out, E, rows, width, os + <usize>t * strideE, strideE);
  }
  if (ptr(args, 5)) storeRows(state, E, features, width, at(ptr(args, 5), head * features * width), <usize>width << 2);
}
