import { ValueError } from '@linattn/math';

/** How a token is drawn from logits. */
export interface SamplingOptions {
  /** Logits are divided by it; 0 takes the likeliest token. Default 1. */
  readonly temperature?: number;
  /** Only the k likeliest tokens; default all. */
  readonly topK?: number;
  /** Only the fewest likeliest tokens whose probabilities reach p; after `topK`. Default 1: all. */
  readonly topP?: number;
}

/** @throws ValueError naming the option. */
export function checkSampling({ temperature = 1, topK, topP = 1 }: SamplingOptions): void {
  if (!(temperature >= 0 && Number.isFinite(temperature)))
    throw new ValueError('temperature', temperature, 'a finite number >= 0');
  if (topK !== undefined && !(Number.isInteger(topK) && topK > 0)) throw new ValueError('topK', topK, 'an integer > 0');
  if (!(topP > 0 && topP <= 1)) throw new ValueError('topP', topP, 'a number in (0, 1]');
}

/** Token ids that may be drawn, likeliest first, with their probabilities: softmax, then top-k, then top-p. */
export function candidates(
  logits: ArrayLike<number>,
  { temperature = 1, topK = logits.length, topP = 1 }: SamplingOptions = {},
): { readonly ids: Uint32Array; readonly probabilities: Float64Array } {
  // Of equal logits the lower id comes first: order, and so every draw, is the same everywhere.
  const order = Uint32Array.from(logits, (_, id) => id).sort((x, y) => logits[y] - logits[x] || x - y);
  const ids = order.subarray(0, temperature === 0 ? 1 : topK);
  const weights = Float64Array.from(ids, (id) =>
    temperature === 0 ? 1 : Math.exp((logits[id] - logits[order[0]]) / temperature),
  );
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  let count = 0;
  let reached = 0;
  while (count < ids.length && (count === 0 || reached < topP * total)) reached += weights[count++];
  return { ids: ids.subarray(0, count), probabilities: weights.subarray(0, count).map((weight) => weight / reached) };
}

/** The token that a uniform draw u in [0, 1) picks. */
export function sampleToken(logits: ArrayLike<number>, options: SamplingOptions, u: number): number {
  const { ids, probabilities } = candidates(logits, options);
  let rest = u;
  for (let i = 0; i < ids.length - 1; i++) if ((rest -= probabilities[i]) < 0) return ids[i];
  return ids[ids.length - 1];
}
