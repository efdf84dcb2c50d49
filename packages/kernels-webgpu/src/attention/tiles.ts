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

/** Places in chunk.wgsl's `tile`: of P, and of shares of G; and the shares that U and Z are summed in. */
export function placesOf({ D4, DP4, TV4, C, TY, TX }: ChunkTile) {
  const one = C * (DP4 + 1);
  const sizes = { P: C * (C / 4 + 1), G: (TX * C) / 4 };
  // With one panel, P may take the place of x, which is read no more; with several, of both.
  const room = D4 > DP4 ? 2 * one : one;
  let [free, end] = [0, 2 * one];
  const place = (size: number): number => {
    if (free + size <= room) {
      free += size;
      return free - size;
    }
    end += size;
    return end - size;
  };
  const PO = place(sizes.P);
  const GO = place(sizes.G);
  const shares = (width: number) => Math.max(1, Math.min(4, Math.floor((TY * TX) / 2 / width)));
  return { PO, GO, UP: shares(TV4), ZP: shares(DP4), TILE: Math.max(end, 2 * TY * TX) };
}

/** Workgroup memory that a tile takes, in bytes. */
export function chunkBytes(tile: ChunkTile): number {
  const { D4, TV4, C } = tile;
  const { TILE, UP, ZP } = placesOf(tile);
  return 16 * (TILE + C * TV4 + 4 * D4 * TV4 + UP * TV4 + ZP * D4) + 4 * (3 * C + 1);
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
        if (chunkBytes(tile) <= workgroupBytes) return tile;
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
