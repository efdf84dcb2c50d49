import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { checkRank, checkShape } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { TripleProductAttributes } from './attributes.ts';
import { add, mul } from './binary.ts';
import { matmul } from './matmul.ts';
import { pad, reshape, slice, transpose } from './movement.ts';
import { broadcastTo } from './reduce.ts';

const opposite = { forward: 'reverse', reverse: 'forward', all: 'all' } as const;

const tripleProductOp = defineOp<TripleProductAttributes>({
  name: 'tripleProduct',
  infer: ([x, y, z, state], { direction, returnState }) => {
    checkRank('x', x!.shape, 4);
    checkRank('y', y!.shape, 4);
    checkRank('z', z!.shape, 4);
    const [batch, queries, heads, features] = x!.shape;
    const [, keys] = y!.shape;
    if (direction !== 'all' && keys !== queries) throw new ShapeError('y', y!.shape, `${queries} tokens, as x`);
    checkShape('y', y!.shape, [batch, keys, heads, features]);
    checkShape('z', z!.shape, [batch, keys, heads, z!.shape[3]]);
    const full = [batch, heads, features, z!.shape[3]];
    if (state) checkShape('initialState', state.shape, full);
    const out = { shape: [batch, queries, heads, z!.shape[3]], dtype: 'float' } as const;
    return returnState ? [out, { shape: full, dtype: 'float' }] : [out];
  },
  compose: ([x, y, z, state], attributes) => {
    const [hx, hy, hz] = [x!, y!, z!].map(headsFirst);
    const all = attributes.direction === 'all';
    const { out, total } = all
      ? everything(hx, hy, hz, state)
      : chunked(hx, hy, hz, state, attributes.direction === 'reverse');
    return attributes.returnState ? [headsFirst(out), total] : [headsFirst(out)];
  },
  saves: () => ({ inputs: [0, 1, 2, 3] }),
  // With out_i = (S0 + Σ y zᵀ)ᵀ x_i, every gradient is again such a product, seen from the other side.
  vjp: ({ attributes: { direction }, inputs: [x, y, z, state], gradients: [dout, dstate] }) => {
    const back = opposite[direction];
    const d = dout ?? broadcastTo(tensor(x!.backend, 0), [...x!.shape.slice(0, 3), z!.shape[3]]);
    const flip = (t?: Tensor) => t && transpose(t, [0, 1, 3, 2]);
    const { output: dx } = tripleProduct(d, z!, y!, { direction, initialState: flip(state) });
    const { output: dy } = tripleProduct(z!, d, x!, { direction: back, initialState: flip(dstate) });
    const { output: dz, state: dInitial } = tripleProduct(y!, x!, d, {
      direction: back,
      initialState: dstate,
      returnState: true,
    });
    return [dx, dy, dz, dInitial];
  },
});

/** [B, N, H, D] <-> [B, H, N, D] */
const headsFirst = (x: Tensor): Tensor => transpose(x, [0, 2, 1, 3]);

type Result = { out: Tensor; total: Tensor };

function everything(x: Tensor, y: Tensor, z: Tensor, state?: Tensor): Result {
  const product = matmul(y, z, true);
  const total = state ? add(state, product) : product;
  return { out: matmul(x, total), total };
}

const chunkSize = 64;

/** The chunked form: states at every chunk's start by a (triangular) prefix sum, then state times x plus the masked block. */
function chunked(x: Tensor, y: Tensor, z: Tensor, state: Tensor | undefined, reverse: boolean): Result {
  const [batch, heads, tokens, features] = x.shape;
  const width = z.shape[3];
  const size = Math.min(chunkSize, tokens);
  const chunks = Math.ceil(tokens / size);
  const split = (t: Tensor) => reshape(pad(t, 2, 0, chunks * size - tokens), [batch, heads, chunks, size, t.shape[3]]);
  const [cx, cy, cz] = [x, y, z].map(split);
  const own = reshape(matmul(cy, cz, true), [batch * heads, chunks, features * width]);
  const earlier = reverse
    ? (row: number, column: number) => column > row
    : (row: number, column: number) => column < row;
  const sums = matmul(ones(x, [batch * heads, chunks, chunks], earlier), own);
  let starts = reshape(sums, [batch, heads, chunks, features, width]);
  if (state) starts = add(starts, reshape(state, [batch, heads, 1, features, width]));
  const mask = ones(x, [size, size], reverse ? (row, column) => column >= row : (row, column) => column <= row);
  const inside = matmul(mul(matmul(cx, cy, false, true), mask), cz);
  const out = reshape(add(matmul(cx, starts), inside), [batch, heads, chunks * size, width]);
  const edge = reverse ? 0 : chunks - 1;
  const at = [batch, heads, features, width];
  const total = add(
    reshape(slice(starts, 2, edge, edge + 1), at),
    reshape(slice(reshape(own, [batch, heads, chunks, features, width]), 2, edge, edge + 1), at),
  );
  return { out: slice(out, 2, 0, tokens), total };
}

/** A matrix of 1 where `where(row, column)`, else 0, repeated over leading extents. */
function ones(like: Tensor, shape: readonly number[], where: (row: number, column: number) => boolean): Tensor {
  const [rows, columns] = shape.slice(-2);
  const values = Float64Array.from({ length: rows * columns }, (_, i) =>
    where(Math.floor(i / columns), i % columns) ? 1 : 0,
  );
  return broadcastTo(tensor(like.backend, values, [rows, columns]), shape);
}

/**
 * The one primitive under linear attention: T(x, y, z)_i = Σ_n (x_i · y_n) z_n, over n <= i (`forward`), n >= i (`reverse`) or
 * all n, in O(N F E) time. x [B, N, H, F], y [B, M, H, F], z [B, M, H, E] (M = N unless `all`); output [B, N, H, E].
 * `initialState` [B, H, F, E] is added to the running Σ y zᵀ; the state after all tokens is returned when asked for.
 */
export function tripleProduct(
  x: Tensor,
  y: Tensor,
  z: Tensor,
  options: {
    readonly direction?: TripleProductAttributes['direction'];
    readonly initialState?: Tensor;
    readonly returnState?: boolean;
  } = {},
): { output: Tensor; state?: Tensor } {
  const { direction = 'forward', initialState, returnState = false } = options;
  const [output, state] = apply(tripleProductOp, [x, y, z, initialState], { direction, returnState });
  return { output, state };
}
