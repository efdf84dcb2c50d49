import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { tuning } from '../../packages/kernels-webgpu/src/attention/run.ts';
import { type ChunkTile, chunkBytes } from '../../packages/kernels-webgpu/src/attention/tiles.ts';
import { benchAttention } from './attention.ts';

const widths = [32, 64, 128];

function candidates(width: number, limit: number): ChunkTile[] {
  const found: ChunkTile[] = [];
  const depth = width / 4;
  for (const TV4 of [16, 8, 4]) {
    for (const DP4 of [16, 8, 4]) {
      for (const [C, TY, TX] of [
        [32, 8, 8],
        [64, 8, 8],
        [32, 8, 4],
        [32, 4, 8],
        [64, 16, 8],
        [64, 8, 16],
        [64, 16, 4],
        [16, 4, 8],
        [32, 8, 16],
      ]) {
        if (TV4 * 4 > width || DP4 > depth || TX > TV4 || C % TX !== 0 || C / TX < 1) continue;
        if (width <= 64 && DP4 < depth && C < 64) continue;
        const tile = { D4: depth, DP4, TV4, C, TY, TX };
        if (chunkBytes(tile) <= limit) found.push(tile);
      }
    }
  }
  return found;
}

/** Times every tile that fits, and several numbers of segments. */
export async function tryTiles(backend: WebgpuBackend): Promise<unknown[]> {
  const limit = backend.device.limits.maxComputeWorkgroupStorageSize;
  const found: unknown[] = [];
  for (const width of widths) {
    const setting = { batch: 4, heads: 16, tokens: 16_384, width };
    for (const tile of candidates(width, limit)) {
      tuning.tile = () => tile;
      try {
        const { forward, backward, forwardKernels, backwardKernels } = await benchAttention(backend, setting, false);
        const chunk = forwardKernels.find(({ name }) => name.startsWith('chunk'))?.milliseconds ?? 0;
        const back = backwardKernels.filter(({ name }) => name.startsWith('chunk')).map(({ milliseconds }) => milliseconds.toFixed(2));
        console.log(`D${width} ${JSON.stringify(tile)} ${chunkBytes(tile)} B: forward ${forward.median.toFixed(2)} (chunk ${chunk.toFixed(2)}) backward ${backward.median.toFixed(2)} (${back.join(' ')})`);
        found.push({ width, tile, forward: forward.median, backward: backward.median, chunk, back });
      } catch (error) {
        console.log(`D${width} ${JSON.stringify(tile)}: ${String(error).slice(0, 200)}`);
      }
    }
    tuning.tile = undefined;
    const standard = tuning.workgroups;
    for (const workgroups of [320, 512, 640, 960, 1280, 2560]) {
      tuning.workgroups = workgroups;
      const { forward, backward, forwardKernels } = await benchAttention(backend, setting, false);
      console.log(`D${width} workgroups ${workgroups}: forward ${forward.median.toFixed(2)} backward ${backward.median.toFixed(2)} ${JSON.stringify(forwardKernels)}`);
      found.push({ width, workgroups, forward: forward.median, backward: backward.median });
    }
    tuning.workgroups = standard;
  }
  return found;
}
