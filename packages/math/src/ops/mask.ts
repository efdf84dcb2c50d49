import type { TensorSpec } from '../backend.ts';
import { ShapeError, ValueError } from '../errors.ts';
import { checkRank, checkShape } from '../shape.ts';
import type { Mask } from './attributes.ts';

/** How tokens see each other, as users say it. */
export interface MaskOptions {
  /** Default `causal`. */
  readonly mask?: Mask;
  /** Conditional tokens P of `prefix`: n <= max(i, P - 1). */
  readonly prefix?: number;
}

const masks: readonly Mask[] = ['causal', 'bidirectional', 'prefix'];

/** Fills in defaults. @throws ValueError for an unknown mask or a prefix that does not go with it. */
export function resolveMask({ mask = 'causal', prefix }: MaskOptions): { mask: Mask; prefix: number } {
  if (!masks.includes(mask)) throw new ValueError('mask', mask, masks.join(' | '));
  if (mask === 'prefix') {
    if (!(Number.isInteger(prefix) && prefix! >= 0)) throw new ValueError('prefix', prefix, 'an integer >= 0');
  } else if (prefix) throw new ValueError('prefix', prefix, `none, for mask '${mask}'`);
  return { mask, prefix: prefix ?? 0 };
}

/** Whether query i sees key n. */
export const sees = (mask: Mask, prefix: number, i: number, n: number): boolean =>
  mask === 'bidirectional' || n <= (mask === 'prefix' ? Math.max(i, prefix - 1) : i);

/** Checks q [B, N_q, H, D], k [B, N_k, H, D], v [B, N_k, H, D_v]; N_q = N_k unless bidirectional. */
export function checkAttentionInputs(q: TensorSpec, k: TensorSpec, v: TensorSpec, mask: Mask, prefix: number): void {
  checkRank('q', q.shape, 4);
  checkRank('k', k.shape, 4);
  checkRank('v', v.shape, 4);
  const [batch, queries, heads, width] = q.shape;
  const keys = k.shape[1];
  checkShape('k', k.shape, [batch, mask === 'bidirectional' ? keys : queries, heads, width]);
  checkShape('v', v.shape, [batch, keys, heads, v.shape[3]]);
  if (prefix > queries) throw new ShapeError('prefix', prefix, `at most ${queries} tokens, as q`);
}
