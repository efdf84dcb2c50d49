import { readFileSync } from 'node:fs';
import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { type Tuning, tuning } from '../../packages/kernels-webgpu/src/attention/run.ts';
import type { ChunkTile, StateTile } from '../../packages/kernels-webgpu/src/attention/tiles.ts';
import { benchAttention } from './attention.ts';

/** A way to cut the work, and where to try it. What is left out is as the package chooses. */
interface Variant {
  readonly name: string;
  readonly width: number;
  readonly batch?: number;
  readonly heads?: number;
  readonly tokens: readonly number[];
  readonly tile?: Partial<ChunkTile>;
  readonly stateTile?: Partial<StateTile>;
  readonly workgroups?: number;
  readonly slabMiB?: number;
  readonly check?: boolean;
}

const unchanged = { adjust: undefined, adjustStates: undefined };

/** Replaces only what a variant names, of the tiles that `choose` gives. */
function apply(variant: Variant, standard: Tuning): void {
  const { tile, stateTile, workgroups, slabMiB } = variant;
  Object.assign(tuning, standard, {
    adjust: tile && ((chosen: ChunkTile) => ({ ...chosen, ...tile })),
    adjustStates: stateTile && ((chosen: StateTile) => ({ ...chosen, ...stateTile })),
    ...(workgroups && { workgroups }),
    ...(slabMiB && { slabBytes: slabMiB * 2 ** 20 }),
  });
}

/** Times every variant of a JSON file. */
export async function tryVariants(backend: WebgpuBackend, file: string): Promise<unknown[]> {
  const variants = JSON.parse(readFileSync(file, 'utf8')) as Variant[];
  const standard = { ...tuning };
  const found: unknown[] = [];
  const list = (kernels: readonly { name: string; milliseconds: number }[]) =>
    kernels
      .filter(({ milliseconds }) => milliseconds > 0.03)
      .map((k) => `${k.name} ${k.milliseconds.toFixed(3)}`)
      .join(' ');
  for (const variant of variants) {
    apply(variant, standard);
    const { name, width, batch = 4, heads = 16, check = false } = variant;
    for (const tokens of variant.tokens) {
      try {
        const result = await benchAttention(backend, { batch, heads, tokens, width }, check, 150);
        const errors = Object.values(result.errors ?? {}).map((error) => error.toExponential(1));
        console.log(
          `${name} D${width} N${tokens}: forward ${result.forward.median.toFixed(3)} backward ${result.backward.median.toFixed(3)} MiB ${result.forwardPeakMiB.toFixed(0)}/${result.trainPeakMiB.toFixed(0)} ${errors.join(' ')}\n  ${list(result.forwardKernels.slice(0, 6))}\n  ${list(result.backwardKernels.slice(0, 16))}`,
        );
        found.push({ variant, tokens, result });
      } catch (error) {
        console.log(`${name} D${width} N${tokens}: ${String(error).slice(0, 1500)}`);
      }
    }
  }
  Object.assign(tuning, unchanged, standard);
  return found;
}
