/** How tile.wgsl cuts its work: see there. */
export interface SoftmaxTile {
  readonly TY: number;
  readonly TX: number;
  readonly RI: number;
  readonly RJ: number;
  readonly CV: number;
}

/** What a kernel makes: see tile.wgsl's MODE. */
export const modes = { forward: 0, dq: 1, dk: 2, dv: 3 } as const;
export type Mode = keyof typeof modes;

/** One small tile for all sizes, for software adapters: compiling is what costs there. */
const softwareTile: SoftmaxTile = { TY: 4, TX: 4, RI: 4, RJ: 4, CV: 4 };

/** Tiles wide enough to make the weights once for outputs of up to 128 columns; 8 by 8 weights an invocation. */
export function chooseTile(outWidth: number, software: boolean): SoftmaxTile {
  if (software) return softwareTile;
  const [TX, CV] = outWidth <= 16 ? [4, 1] : outWidth <= 32 ? [8, 1] : outWidth <= 64 ? [8, 2] : [16, 2];
  return { TY: 8, TX, RI: 8, RJ: 8, CV };
}

/** Rows and output columns of a workgroup. */
export const extentOf = ({ TY, TX, RI, CV }: SoftmaxTile) => ({ rows: TY * RI, columns: 4 * TX * CV });

/** Workgroup memory that a tile takes, in bytes. */
export function tileBytes({ TY, TX, RI, RJ, CV }: SoftmaxTile): number {
  return 16 * 16 * ((TY * RI) / 4 + 1 + Math.max((TX * RJ) / 4 + 1, TX * CV));
}
