import { indices, ValueError } from '@linattn/math';
import type { GPTNeoX } from '../models/gpt-neox.ts';
import { seedKey, uniform53 } from '../random.ts';
import { checkIds } from '../training/data.ts';
import { checkSampling, type SamplingOptions, sampleToken } from './sample.ts';

/** How a text goes on, and when it ends. */
export interface GenerateOptions extends SamplingOptions {
  readonly maxTokens: number;
  /** Of the draws: equal seeds give equal texts. Default 0. */
  readonly seed?: number;
  /** Ids that end the text; they are not part of it. */
  readonly stop?: readonly number[];
}

/**
 * Continues a prompt, a token at a time. With linear attention each token takes the same time and memory at any position; with
 * softmax attention both grow. With the mask `prefix`, the prompt is the conditional part.
 * @throws ValueError for an empty prompt, an id outside the vocabulary, or an option out of range.
 */
export async function* generate(
  model: GPTNeoX,
  prompt: ArrayLike<number>,
  options: GenerateOptions,
): AsyncGenerator<number, void, void> {
  const { maxTokens, seed = 0, stop = [] } = options;
  checkSampling(options);
  if (!(Number.isInteger(maxTokens) && maxTokens >= 0)) throw new ValueError('maxTokens', maxTokens, 'an integer >= 0');
  if (prompt.length === 0) throw new ValueError('prompt', 'no tokens', 'at least one token');
  checkIds('prompt', prompt, model.config.vocabSize);
  const key = seedKey(seed, 'sampling');
  const state = model.start();
  try {
    let next = prompt;
    for (let i = 0; i < maxTokens; i++) {
      const tokens = indices(model.backend, next, [1, next.length], 'prompt');
      const logits = model.decode(tokens, state, { prefix: prompt.length });
      tokens.dispose();
      const token = sampleToken(await logits.read(), options, uniform53(key, 0, i));
      logits.dispose();
      if (stop.includes(token)) return;
      yield token;
      next = [token];
    }
  } finally {
    state.dispose();
  }
}
