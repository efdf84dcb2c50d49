import {
  add,
  apply,
  broadcastTo,
  concat,
  defineOp,
  div,
  fill,
  l2Normalize,
  matmul,
  mul,
  type Op,
  reshape,
  scope,
  slice,
  sum,
  type Tensor,
  tensor,
  transpose,
} from '@linattn/math';

// Kernel separation, f(q·k) = φ(q)·φ(k), as a framework with autodiff does it: the sums Σ_{m<=n} k_m w_mᵀ of every position n are a
// tensor [B, H, N, D, D + 1], made by a cumulative sum and saved for backward.

const runLength = 32;

/** Rows of a square matrix of ones on and below the diagonal (`forward`), or on and above it. */
function triangle(like: Tensor, batch: number, size: number, reverse: boolean): Tensor {
  const values = Float64Array.from({ length: size * size }, (_, i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    return (reverse ? column >= row : column <= row) ? 1 : 0;
  });
  return broadcastTo(tensor(like.backend, values, [size, size]), [batch, size, size]);
}

const rows = (x: Tensor, start: number, end: number): Tensor => slice(x, 1, start, end);

/**
 * Cumulative sums over the tokens of `make(start, end)` [B·H, tokens, M], run by run, each handed to `take` and then freed: beside
 * what `take` keeps, there is one run of them at a time.
 */
function cumulate(
  like: Tensor,
  tokens: number,
  reverse: boolean,
  make: (start: number, end: number) => Tensor,
  take: (sums: Tensor) => Tensor[],
): Tensor[][] {
  const starts = Array.from({ length: Math.ceil(tokens / runLength) }, (_, i) => i * runLength);
  const parts: Tensor[][] = [];
  let carry: Tensor | undefined;
  for (const start of reverse ? starts.reverse() : starts) {
    const end = Math.min(tokens, start + runLength);
    const [taken, next] = scope(() => {
      const inside = matmul(triangle(like, like.shape[0], end - start, reverse), make(start, end));
      const sums = carry ? add(inside, carry) : inside;
      const edge = reverse ? 0 : end - start - 1;
      return [take(sums), rows(sums, edge, edge + 1)] as const;
    });
    carry?.dispose();
    carry = next;
    if (reverse) parts.unshift(taken);
    else parts.push(taken);
  }
  carry?.dispose();
  return parts;
}

const joined = (parts: readonly Tensor[][], which: number): Tensor =>
  concat(
    parts.map((part) => part[which]),
    1,
  );

/** k [R, N, D], w [R, N, E] to the running sums of k wᵀ [R, N, D·E]. */
const runningOuterOp: Op<Record<never, never>> = defineOp({
  name: 'runningOuter',
  infer: ([k, w]) => [{ shape: [k!.shape[0], k!.shape[1], k!.shape[2] * w!.shape[2]], dtype: 'float' }],
  compose: ([k, w]) => [
    joined(
      cumulate(
        k!,
        k!.shape[1],
        false,
        (start, end) => outer(rows(k!, start, end), rows(w!, start, end)),
        (sums) => [sums],
      ),
      0,
    ),
  ],
  // The sum itself saves nothing, and the product its factors.
  saves: () => ({ inputs: [0, 1] }),
  vjp: ({ inputs: [k, w], gradients: [dSums] }) => {
    let end = k!.shape[1];
    const parts = cumulate(
      k!,
      k!.shape[1],
      true,
      (start, stop) => rows(dSums!, start, stop),
      (sums) => {
        const [batch, length] = sums.shape;
        const start = end - length;
        const d = reshape(sums, [batch, length, k!.shape[2], w!.shape[2]]);
        const [kRun, wRun] = [rows(k!, start, end), rows(w!, start, end)];
        end = start;
        return [
          sum(mul(d, reshape(wRun, [batch, length, 1, w!.shape[2]])), [3]),
          sum(mul(d, reshape(kRun, [batch, length, k!.shape[2], 1])), [2]),
        ];
      },
    );
    return [joined(parts, 0), joined(parts, 1)];
  },
});

function outer(k: Tensor, w: Tensor): Tensor {
  const [batch, length, width] = k.shape;
  const product = mul(reshape(k, [batch, length, width, 1]), reshape(w, [batch, length, 1, w.shape[2]]));
  return reshape(product, [batch, length, width * w.shape[2]]);
}

/** Causal linear attention, f = 1 + x on normalised q and k, by explicit features: what `linearAttention` computes. */
export function separatedAttention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [batch, tokens, heads, width] = q.shape;
  const radius = Math.sqrt(0.95);
  const headsFirst = (x: Tensor) => reshape(transpose(x, [0, 2, 1, 3]), [batch * heads, tokens, x.shape[3]]);
  const [qn, kn] = [q, k].map((x) => headsFirst(l2Normalize(x, radius)));
  const w = concat([headsFirst(v), fill(v.backend, [batch * heads, tokens, 1], 1)], 2);
  // φ(x) = [1, x]: the 1 is a feature like the others.
  const one = fill(q.backend, [batch * heads, tokens, 1], 1);
  const features = width + 1;
  const [sums] = apply(runningOuterOp, [concat([one, kn], 2), w], {});
  const columns = width + 1;
  const both = reshape(
    matmul(
      reshape(concat([one, qn], 2), [batch * heads * tokens, 1, features]),
      reshape(sums, [batch * heads * tokens, features, columns]),
    ),
    [batch, heads, tokens, columns],
  );
  sums.dispose();
  const output = div(slice(both, 3, 0, width), slice(both, 3, width, columns));
  return transpose(output, [0, 2, 1, 3]);
}
