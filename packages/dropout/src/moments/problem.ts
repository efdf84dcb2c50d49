import { type MaskOptions, philoxFill, resolveMask, sees } from '@linattn/math';

/** One head of attention, written out: what dropout's moments are measured on. Plain float64 arrays, row-major. */
export interface AttentionProblem {
  readonly tokens: number;
  readonly headDim: number;
  /** q and k [N, D] */
  readonly q: Float64Array;
  readonly k: Float64Array;
  /** v [N, D] */
  readonly v: Float64Array;
  /** f(x) = 1 + x on q and k of squared length `radius`². */
  readonly radius: number;
  readonly mask: MaskOptions;
}

/** Attention's matrix a [N, N] (0 where a key is not seen), and its output o [N, D]. */
export interface ExplicitAttention {
  readonly weights: Float64Array;
  readonly output: Float64Array;
}

/**
 * A problem with normal q, k and v, drawn from `seed`. `shift` is added to every value: with 0 the output shrinks as 1/√i over
 * positions, with 1 it tends to 1, as where values share a mean.
 */
export function randomProblem(
  options: Partial<Pick<AttentionProblem, 'tokens' | 'headDim' | 'mask'>> & {
    readonly shift?: number;
    readonly seed?: number;
  } = {},
): AttentionProblem {
  const { tokens = 64, headDim = 8, mask = { mask: 'causal' }, shift = 0, seed = 1 } = options;
  const [q, k, v] = [0, 1, 2].map((i) => philoxFill(new Float64Array(tokens * headDim), 'normal', [seed, 0], [i, 0]));
  return { tokens, headDim, q, k, v: v.map((value) => value + shift), radius: Math.sqrt(0.95), mask };
}

/** The definition, in O(N² D): a_in = f(q_i·k_n) / g_i, o_i = Σ_n a_in v_n. */
export function explicitAttention({ tokens, headDim, q, k, v, radius, mask }: AttentionProblem): ExplicitAttention {
  const visible = resolveMask(mask);
  const dot = (x: Float64Array, i: number, y: Float64Array, n: number): number => {
    let sum = 0;
    for (let d = 0; d < headDim; d++) sum += x[i * headDim + d] * y[n * headDim + d];
    return sum;
  };
  const length = (x: Float64Array, i: number): number => Math.sqrt(dot(x, i, x, i));
  const weights = new Float64Array(tokens * tokens);
  const output = new Float64Array(tokens * headDim);
  for (let i = 0; i < tokens; i++) {
    const row = weights.subarray(i * tokens, (i + 1) * tokens);
    for (let n = 0; n < tokens; n++) {
      if (!sees(visible.mask, visible.prefix, i, n)) continue;
      row[n] = 1 + (radius * radius * dot(q, i, k, n)) / (length(q, i) * length(k, n));
    }
    const g = row.reduce((total, f) => total + f, 0);
    for (let n = 0; n < tokens; n++) {
      row[n] /= g;
      for (let d = 0; d < headDim; d++) output[i * headDim + d] += row[n] * v[n * headDim + d];
    }
  }
  return { weights, output };
}
