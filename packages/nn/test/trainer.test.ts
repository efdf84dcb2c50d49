import { float64Backend } from '@linattn/math';
import { expect, test } from 'vitest';
import { GPTNeoX, sampledWindows, Trainer } from '../src/index.ts';

test.each(['linear', 'softmax'] as const)('%s: a tiny model learns a pattern', async (type) => {
  const backend = float64Backend();
  const model = GPTNeoX.init(
    backend,
    { vocabSize: 7, hiddenSize: 16, layers: 2, heads: 2, rotaryFraction: 0.5, attention: { type } },
    { seed: 1 },
  );
  const tokens = Uint16Array.from({ length: 300 }, (_, i) => i % 7);
  const trainer = new Trainer({
    model,
    data: sampledWindows(tokens),
    batchSize: 2,
    seqLen: 12,
    steps: 30,
    learningRate: 1e-2,
  });
  const losses: number[] = [];
  for (let i = 0; i < 30; i++) losses.push((await trainer.step()).loss);
  expect(losses[0]).toBeGreaterThan(1.5);
  expect(losses[29]).toBeLessThan(0.3);
});
