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
export function chunkBytes({ C, TV4, KP, KZ }: ChunkTile): number {
  const row = C / 4 + Math.max(C / 4, TV4) + 1;
  return 16 * (Math.max(2 * KP, KZ) * row + C / 4) + 4 * (KP + 3 * C);
}

/** The tile for `columns` columns of out. All fit the workgroup memory that every device has (16 KiB). */
export function chooseChunkTile(columns: number, software: boolean): ChunkTile {
  // One small tile for all sizes: what a software adapter spends is compiling.
  if (software) return { C: 16, TY: 4, TX: 4, TV4: 4, KP: 16, KZ: 16, KU: 1 };
  if (columns <= 32) return { C: 64, TY: 8, TX: 8, TV4: 8, KP: 8, KZ: 8, KU: 8 };
  return { C: 64, TY: 8, TX: 16, TV4: columns <= 64 ? 16 : 32, KP: 8, KZ: 16, KU: 8 };
}

export function chooseStateTile(features: number, columns: number, software: boolean): StateTile {
  if (software) return { C: 16, M4: 4, J4: 4, TY: 4, TX: 4, KU: 1 };
  const extent = (size: number) => Math.min(16, Math.max(4, 2 ** Math.ceil(Math.log2(size / 4))));
  const [M4, J4] = [extent(features), extent(columns)];
  // Small states, or few features: more tokens at a time, so that every invocation has some to load.
  return { C: M4 + J4 <= 16 || M4 === 4 ? 32 : 16, M4, J4, TY: 8, TX: J4, KU: 8 };
}
