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
}

/** What a tile may take: bytes of workgroup memory, and whether a software adapter compiles it. */
export interface Room {
  readonly bytes: number;
  readonly software: boolean;
}

/** Workgroup memory that a tile takes, in bytes. */
export const chunkBytes = ({ C, TV4, KP, KZ }: ChunkTile): number =>
  16 * (Math.max(KP, KZ) * (C / 2 + TV4 + 1) + C / 4) + 4 * (KP + 3 * C);

export const stateBytes = ({ C, M4, J4 }: StateTile): number => 16 * C * (M4 + J4) + 4 * C;

/** The tile for `columns` columns of out. */
export function chooseChunkTile(columns: number, { bytes, software }: Room): ChunkTile {
  // One small tile for all sizes: what a software adapter spends is compiling.
  if (software) return { C: 16, TY: 4, TX: 4, TV4: 4, KP: 16, KZ: 16 };
  if (columns <= 32) return { C: 64, TY: 16, TX: 8, TV4: 8, KP: 16, KZ: 16 };
  const half: ChunkTile = { C: 64, TY: 8, TX: 16, TV4: 16, KP: 16, KZ: 16 };
  const whole: ChunkTile = { C: 64, TY: 16, TX: 16, TV4: 32, KP: 16, KZ: 16 };
  return columns > 64 && chunkBytes(whole) <= bytes ? whole : half;
}

/** The tile for a state of `features` by `columns`. */
export function chooseStateTile(features: number, columns: number, software: boolean): StateTile {
  if (software) return { C: 16, M4: 4, J4: 4, TY: 4, TX: 4 };
  const extent = (size: number) => Math.min(16, Math.max(4, 2 ** Math.ceil(Math.log2(size / 4))));
  if (Math.min(features, columns) > 64) return { C: 16, M4: 16, J4: 32, TY: 8, TX: 16 };
  const [M4, J4] = [extent(features), extent(columns)];
  // Small states, or few features: more tokens at a time, so that every invocation has some to load.
  return { C: M4 + J4 <= 16 || M4 === 4 ? 32 : 16, M4, J4, TY: 8, TX: J4 };
}
