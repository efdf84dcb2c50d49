import type { Result } from './attention.ts';
import type { Ceilings } from './ceilings.ts';

/** Operations of order-1 attention's chunked form that no version avoids: q·S and S += k vᵀ, forward; five such, backward. */
const flops = { forward: 4, backward: 10 } as const;
/** Tensors of the size of q that must be read or written. */
const tensors = { forward: 4, backward: 8 } as const;

export interface Rated extends Result {
  readonly rates: Readonly<
    Record<
      'forward' | 'backward',
      { readonly TFLOPs: number; readonly GBs: number; readonly ofCopy: number; readonly ofFma: number }
    >
  >;
}

/** Adds achieved rates, counting only the work that the sizes demand. */
export function withRates(result: Result, ceilings: Ceilings): Rated {
  const { batch, heads, tokens, width } = result;
  const rows = batch * heads * tokens;
  const rate = (direction: 'forward' | 'backward') => {
    const seconds = result[direction].median / 1e3;
    const TFLOPs = (flops[direction] * rows * width * width) / seconds / 1e12;
    const GBs = (tensors[direction] * rows * width * 4) / seconds / 1e9;
    return { TFLOPs, GBs, ofCopy: GBs / ceilings.copyGBs, ofFma: TFLOPs / ceilings.fmaTFLOPs };
  };
  return { ...result, rates: { forward: rate('forward'), backward: rate('backward') } };
}

/** Markdown. */
export function attentionTable(results: readonly Result[]): string {
  const lines = [
    '| B | H | D | N | forward ms | backward ms | both ms | peak MiB forward / train | worst error | kernels forward, ms | backward, ms |',
    '|---|---|---|---|---|---|---|---|---|---|---|',
  ];
  const ms = (value: number) => value.toFixed(3);
  const kernels = (list: Result['forwardKernels']) =>
    list.map(({ name, milliseconds }) => `${name} ${ms(milliseconds)}`).join(' ');
  for (const result of results) {
    const { batch, heads, width, tokens, normalize, forward, backward, errors } = result;
    const worst = errors
      ? Object.entries(errors)
          .map(([name, error]) => `${name} ${error.toExponential(1)}`)
          .join(' ')
      : '';
    lines.push(
      `| ${[
        batch,
        heads,
        `${width}${normalize ? ' l2' : ''}`,
        tokens,
        ms(forward.median),
        ms(backward.median),
        ms(forward.median + backward.median),
        `${result.forwardPeakMiB.toFixed(0)} / ${result.trainPeakMiB.toFixed(0)}`,
        worst,
        kernels(result.forwardKernels),
        kernels(result.backwardKernels),
      ].join(' | ')} |`,
    );
  }
  return lines.join('\n');
}
