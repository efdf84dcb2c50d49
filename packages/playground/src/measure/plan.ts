import type { BackendName } from '../backends/names.ts';

export const methods = {
  linear: 'Linear attention',
  separation: 'Kernel separation, recorded',
  tiled: 'Softmax, tiled',
  full: 'Softmax, full',
} as const;
export type Method = keyof typeof methods;
export const methodNames = Object.keys(methods) as readonly Method[];

export const passes = { forward: 'Forward', both: 'Forward and backward' } as const;
export type Pass = keyof typeof passes;

/** What is measured: tokens grow at a fixed number of features, or features at a fixed number of tokens. */
export interface Plan {
  readonly along: 'tokens' | 'features';
  /** The last point. */
  readonly upTo: number;
  /** What stays: D along tokens, N along features. */
  readonly fixed: number;
  readonly heads: number;
  /** Most that tensors may take. */
  readonly limitBytes: number;
}

export const defaultPlan: Plan = { along: 'tokens', upTo: 16_384, fixed: 32, heads: 4, limitBytes: 2 ** 30 };

export const choices = {
  tokens: { upTo: [4096, 16_384, 65_536, 262_144], fixed: [16, 32, 64, 128] },
  features: { upTo: [32, 64, 128, 256], fixed: [1024, 4096, 16_384] },
} as const;

const first = { tokens: 128, features: 8 } as const;

/** Powers of two from the first point to the last. */
export function pointsOf({ along, upTo }: Plan): number[] {
  const points: number[] = [];
  for (let at: number = first[along]; at <= upTo; at *= 2) points.push(at);
  return points;
}

/** N and D at a point. */
export const sizeAt = ({ along, fixed }: Plan, at: number): { tokens: number; features: number } =>
  along === 'tokens' ? { tokens: at, features: fixed } : { tokens: fixed, features: at };

/** One measurement. */
export interface Row {
  readonly method: Method;
  readonly pass: Pass;
  readonly tokens: number;
  readonly features: number;
  readonly heads: number;
  readonly outcome: Outcome;
}

export type Outcome =
  | {
      readonly type: 'measured';
      /** The median run. */
      readonly seconds: number;
      readonly runs: number;
      /** Most bytes in tensors at any time, inputs included. */
      readonly peakBytes: number;
    }
  /** It would take more than allowed, or than there is. */
  | { readonly type: 'memory'; readonly message: string }
  /** It was not tried: the point before took too long. */
  | { readonly type: 'time' };

export interface MeasureCommand {
  readonly backend: BackendName;
  readonly plan: Plan;
}

export type MeasureReport =
  | { readonly type: 'opened'; readonly description: string }
  | { readonly type: 'doing'; readonly text: string }
  | { readonly type: 'row'; readonly row: Row }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string };
