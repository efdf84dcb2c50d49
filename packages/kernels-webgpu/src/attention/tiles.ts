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

/** Places in chunk.wgsl's `tile`: of P, and of partial sums of G, U and Z. */
export function placesOf({ D4, DP4, TV4, C, TY, TX }: ChunkTile) {
  const threads = TY * TX;
  const one = C * (DP4 + 1);
  const several = D4 > DP4;
  const sizes = {
    PO: C * (C / 4 + 1),
    GO: (threads * C) / (4 * TY),
    UO: Math.min(8, threads / TV4) * TV4,
    ZO: Math.min(8, threads / DP4) * DP4,
  };
  // With one panel, x is read no more when they are written; with several, P alone comes after the last panel.
  let [free, room, end] = [0, several ? 0 : one, 2 * one];
  const place = (size: number): number => {
    if (free + size <= room) return (free += size) - size;
    return (end += size) - size;
  };
  const PO = several && sizes.PO <= 2 * one ? 0 : place(sizes.PO);
  const [GO, UO, ZO] = [sizes.GO, sizes.UO, sizes.ZO].map(place);
  return { PO, GO, UO, ZO, TILE: Math.max(end, threads) };
}

/** Workgroup memory that a tile takes, in bytes. */
export function chunkBytes(tile: ChunkTile): number {
  const { D4, TV4, C } = tile;
  return 16 * (placesOf(tile).TILE + C * TV4 + 4 * D4 * TV4 + TV4 + D4) + 4 * (3 * C + 9);
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
  if (deep > 16 && wide >= 8) {
    // Wide heads: more rows share what is read of the state.
    const tile = { D4: Math.ceil(deep / 8) * 8, DP4: 8, TV4: 8, C: 64, TY: 16, TX: 8 };
    if (chunkBytes(tile) <= workgroupBytes) return tile;
  }
  for (const [C, TY] of [
    [32, 8],
    [16, 4],
  ]) {
    for (const TV4 of [16, 8, 4, 2, 1].filter((width) => width <= Math.max(1, wide))) {
      for (const DP4 of [16, 8, 4].filter((depth) => depth <= Math.max(4, powerOfTwo(deep)))) {
        const tile = { D4: Math.ceil(deep / DP4) * DP4, DP4, TV4, C, TY, TX: Math.min(16, TV4) };
        if ((TY * tile.TX) % DP4 === 0 && chunkBytes(tile) <= workgroupBytes) return tile;
      }
    }
  }
  throw new LimitError(
    'headDim',
    features,
    "what the device's maxComputeWorkgroupStorageSize holds",
    workgroupBytes / 32,
  );
}
