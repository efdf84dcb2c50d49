import { indices } from '@linattn/math';
import { GPTNeoX } from '@linattn/nn';
import { type Context, subjectName } from './context.ts';
import { median } from './measure.ts';
import type { Result } from './results.ts';

const tokensATime = 50;
/** Rounds until everything is compiled for speed. */
const warmRounds = 4;

/**
 * Tokens a second, one at a time, early in a text and late: the state has no length. Positions are set, not run through: nothing
 * but the rotary angles depends on them.
 */
export async function measureDecoding(context: Context): Promise<Result[]> {
  const positions = [100, 100_000];
  const results: Result[] = [];
  for (const backend of context.backends) {
    const model = GPTNeoX.init(backend, { vocabSize: 4096, hiddenSize: 128, layers: 6, heads: 4 });
    const states = positions.map((position) => Object.assign(model.start(), { position }));
    const step = async (state: (typeof states)[number]) => {
      const tokens = indices(backend, [17], [1, 1]);
      const logits = model.decode(tokens, state);
      await logits.read();
      tokens.dispose();
      logits.dispose();
    };
    const times: number[][] = positions.map(() => []);
    const firsts = positions.map(() => 0);
    const rounds = context.quick ? 5 : 21;
    const buffers: number[] = [];
    for (let round = 0; round < warmRounds + rounds; round++) {
      for (const [i, state] of states.entries()) {
        const start = performance.now();
        for (let token = 0; token < tokensATime; token++) await step(state);
        const time = performance.now() - start;
        if (round === 0) firsts[i] = time;
        if (round >= warmRounds) times[i].push(time);
      }
      buffers.push(backend.memory().bytes);
    }
    results.push({
      group: 'decoding',
      work: `decoding ${tokensATime} tokens`,
      threads: context.threads,
      tokens: tokensATime,
      timings: positions.map((position, i) => ({
        subject: `${subjectName(backend)} at ${position}`,
        first: firsts[i],
        median: median(times[i]),
        best: Math.min(...times[i]),
        runs: rounds,
      })),
      notes: [
        `position ${positions[1]} / position ${positions[0]}: ${(median(times[1]) / median(times[0])).toFixed(3)}`,
        `bytes in use after each round: ${new Set(buffers.slice(warmRounds)).size === 1 ? `constant, ${buffers[warmRounds]}` : buffers.join(', ')}`,
      ],
    });
    for (const state of states) state.dispose();
    model.dispose();
  }
  return results;
}
