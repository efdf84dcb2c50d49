import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { tuning } from '../../packages/kernels-webgpu/src/attention/run.ts';
import { type ChunkTile, chunkBytes } from '../../packages/kernels-webgpu/src/attention/tiles.ts';
import { benchAttention } from './attention.ts';

/** D4, DP4, TV4, C, TY, TX */
const candidates: Readonly<Record<number, readonly (readonly number[])[]>> = {
  32: [
    [8, 8, 8, 32, 8, 8],
    [8, 8, 8, 32, 16, 8],
  ],
  64: [
    [16, 16, 16, 32, 8, 16],
    [16, 16, 16, 32, 16, 16],
  ],
  128: [
    [32, 8, 8, 64, 16, 8],
    [32, 16, 8, 32, 16, 8],
    [32, 8, 8, 32, 16, 8],
  ],
};

/** Uses given tiles for heads of given widths, all else as the package chooses. */
export function forceTiles(list: string): void {
  const forced = new Map<number, ChunkTile>();
  for (const entry of list.split(',').filter(Boolean)) {
    const [width, tile] = entry.split('=');
    const [D4, DP4, TV4, C, TY, TX] = tile.split('.').map(Number);
    forced.set(Number(width), { D4, DP4, TV4, C, TY, TX });
  }
  if (forced.size > 0) tuning.tile = (features, columns) => (features === columns ? forced.get(features) : undefined);
}

/** Times every tile that fits, and several numbers of segments. */
export async function tryTiles(backend: WebgpuBackend): Promise<unknown[]> {
  const limit = backend.device.limits.maxComputeWorkgroupStorageSize;
  const found: unknown[] = [];
  for (const [key, tiles] of Object.entries(candidates)) {
    const width = Number(key);
    const setting = { batch: 4, heads: 16, tokens: 16_384, width };
    for (const [D4, DP4, TV4, C, TY, TX] of tiles) {
      const tile: ChunkTile = { D4, DP4, TV4, C, TY, TX };
      if (chunkBytes(tile) > limit) {
        console.log(`${JSON.stringify(tile)} takes ${chunkBytes(tile)} bytes`);
        continue;
      }
      tuning.tile = () => tile;
      try {
        const { forward, backward, forwardKernels, backwardKernels } = await benchAttention(backend, setting, false);
        const chunk = forwardKernels.find(({ name }) => name.startsWith('chunk'))?.milliseconds ?? 0;
        const back = backwardKernels
          .filter(({ name }) => name.startsWith('chunk'))
          .map(({ milliseconds }) => milliseconds.toFixed(2));
        console.log(
          `D${width} ${JSON.stringify(tile)} ${chunkBytes(tile)} B: forward ${forward.median.toFixed(2)} (chunk ${chunk.toFixed(2)}) backward ${backward.median.toFixed(2)} (${back.join(' ')})`,
        );
        found.push({ width, tile, forward: forward.median, backward: backward.median, chunk, back });
      } catch (error) {
        console.log(`D${width} ${JSON.stringify(tile)}: ${String(error).slice(0, 200)}`);
      }
    }
    tuning.tile = undefined;
  }
  return found;
}
