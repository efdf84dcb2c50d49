import type { Settings } from '../frame/experiment.ts';
import type { Clock, LayerShape } from './measure.ts';

export interface ScalingSettings extends Settings {
  readonly batch: number;
  readonly heads: number;
  /** Tokens: one number, or what they grow over. */
  readonly tokens: readonly number[];
  readonly headDims: readonly number[];
  readonly memoryBudget: number;
  readonly timeLimit: number;
  readonly clock: Clock;
}

export const pointKey = (method: string, { tokens, headDim }: Pick<LayerShape, 'tokens' | 'headDim'>): string =>
  `${method}, N ${tokens}, D ${headDim}`;
