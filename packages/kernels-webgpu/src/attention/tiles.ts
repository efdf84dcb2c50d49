/** How chunk.wgsl cuts its work: see there. */
export interface ChunkTile {
  /** Rows of a chunk; the same for all that share states. */
  readonly C: number;
  readonly TY: number;
  readonly TX: number;
  /** Columns of a workgroup, in fours. */
  readonly TV4: number;
  /** Features, and keys, of a panel. */
  readonly KP: number;
  readonly KZ: number;
  /** Steps of a product that are written out. */
  readonly KU: number;
}

/** How states.wgsl cuts its work: see there. */
export interface StateTile {
  /** Tokens taken in at a time. */
  readonly C: number;
  /** Features and columns of a workgroup, in fours. */
  readonly M4: number;
  readonly J4: number;
  readonly TY: number;
  readonly TX: number;
  readonly KU: number;
}

/** Workgroup memory that a tile takes, in bytes. */
export function chunkBytes({ C, TX, TV4, KP, KZ }: ChunkTile): number {
  const stride = C / 4 + 1;
  const tile = Math.max(2 * KP * stride, KZ * stride, (TX * C) / 4);
  return 16 * (tile + Math.max(KP, KZ) * (TV4 + 1) + C / 4) + 4 * (KP + 3 * C);
}

/** The tile for `columns` columns of out. All fit the workgroup memory that every device has (16 KiB). */
export function chooseChunkTile(columns: number, software: boolean): ChunkTile {
  // One small tile for all sizes: what a software adapter spends is compiling.
  if (software) return { C: 16, TY: 4, TX: 4, TV4: 4, KP: 16, KZ: 16, KU: 1 };
  if (columns <= 16) return { C: 64, TY: 16, TX: 4, TV4: 4, KP: 16, KZ: 16, KU: 4 };
  if (columns <= 32) return { C: 64, TY: 8, TX: 8, TV4: 8, KP: 16, KZ: 16, KU: 4 };
  return { C: 64, TY: 8, TX: 16, TV4: 16, KP: 16, KZ: 16, KU: 4 };
}

export function chooseStateTile(features: number, columns: number, software: boolean): StateTile {
  const extent = (size: number) =>
    software ? 4 : Math.min(16, Math.max(4, 2 ** Math.ceil(Math.log2(Math.ceil(size / 4)))));
  const J4 = extent(columns);
  return { C: 16, M4: extent(features), J4, TY: software ? 4 : 8, TX: J4, KU: software ? 1 : 4 };
}
