import { LimitError } from '@linattn/math';

/** How chunk.wgsl cuts its work: see there. In vec4s, but for C, TY and TX. */
export interface ChunkTile {
  /** Features, padded to whole panels, and the features of a panel. */
  readonly D4: number;
  readonly DP4: number;
  readonly TV4: number;
  readonly C: number;
  readonly TY: number;
  readonly TX: number;
}

/** P lies where x lay if it fits there; x and y may both be overwritten when there are more panels than one. */
export function placeOfP({ D4, DP4, C }: ChunkTile): { readonly PO: number; readonly TILE: number } {
  const tiles = 2 * C * (DP4 + 1);
  const size = C * (C / 4 + 1);
  const fits = D4 > DP4 ? size <= tiles : C / 4 <= DP4;
  return { PO: fits ? 0 : tiles, TILE: fits ? tiles : tiles + size };
}

/** Workgroup memory that a tile takes, in bytes. */
export function chunkBytes(tile: ChunkTile): number {
  const { D4, DP4, TV4, C, TY, TX } = tile;
  const threads = TY * TX;
  const vectors =
    placeOfP(tile).TILE + C * TV4 + 4 * D4 * TV4 + TV4 + D4 + threads * (1 + D4 / DP4) + (threads * C) / (4 * TY);
  return 16 * vectors + 4 * (3 * C + 9);
}

/** One small tile for all sizes, for software adapters: only the padded width tells kernels apart. */
export const softwareChunkTile = (features: number): ChunkTile => ({
  D4: features <= 16 ? 4 : Math.ceil(features / 64) * 16,
  DP4: 4,
  TV4: 4,
  C: 16,
  TY: 4,
  TX: 4,
});

const powerOfTwo = (least: number): number => 2 ** Math.ceil(Math.log2(least));

/** The largest tiles that fit the device's workgroup memory; larger chunks before wider tiles. */
export function chooseChunkTile(features: number, columns: number, workgroupBytes: number): ChunkTile {
  const wide = powerOfTwo(Math.ceil(columns / 4));
  const deep = Math.ceil(features / 4);
  for (const [C, TY] of [
    [32, 8],
    [16, 4],
  ]) {
    for (const TV4 of [16, 8, 4, 2, 1].filter((width) => width <= Math.max(1, wide))) {
      for (const DP4 of [16, 8, 4].filter((depth) => depth <= Math.max(4, powerOfTwo(deep)))) {
        const tile = { D4: Math.ceil(deep / DP4) * DP4, DP4, TV4, C, TY, TX: Math.min(8, TV4) };
        if (chunkBytes(tile) <= workgroupBytes) return tile;
      }
    }
  }
  throw new LimitError('headDim', features, "what the device's maxComputeWorkgroupStorageSize holds", workgroupBytes / 32);
}
