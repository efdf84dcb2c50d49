import { float64Backend, indices } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { type AttentionConfig, GPTNeoX } from '../src/index.ts';

const tokens = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

const kinds: [string, Partial<AttentionConfig> & Pick<AttentionConfig, 'type'>][] = [
  ['linear', { type: 'linear' }],
  ['linear of order 2', { type: 'linear', c: 0.5 }],
  ['linear, learnable', { type: 'linear', learnable: true, order: 2 }],
  ['softmax', { type: 'softmax' }],
];

const modelOf = (attention: (typeof kinds)[number][1]) =>
  GPTNeoX.init(
    float64Backend(),
    { vocabSize: 10, hiddenSize: 16, layers: 2, heads: 2, rotaryFraction: 0.5, attention },
    { seed: 5 },
  );

describe.each(kinds)('%s', (_, attention) => {
  test.each(['causal', 'prefix'] as const)('%s: decoding gives the full pass at every position', async (mask) => {
    const model = modelOf({ ...attention, mask });
    const { backend } = model;
    const prefix = mask === 'prefix' ? 5 : undefined;
    const full = await model.logits(indices(backend, tokens, [1, tokens.length]), { prefix }).read();
    for (const split of [5, 6, 9]) {
      const state = model.start();
      for (let at = 0; at < tokens.length; ) {
        const end = at === 0 ? split : at + 1 === tokens.length ? at + 1 : at + (at % 2) + 1;
        const logits = await model
          .decode(indices(backend, tokens.slice(at, end), [1, end - at]), state, { prefix })
          .read();
        const expected = full.subarray((end - 1) * 10, end * 10);
        logits.forEach((value, i) => {
          expect(Math.abs(value - expected[i])).toBeLessThan(1e-10);
        });
        at = end;
      }
      state.dispose();
    }
  });
});
