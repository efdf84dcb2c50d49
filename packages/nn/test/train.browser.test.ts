import { float64Backend } from '@linattn/math/float64';
import { expect, test } from 'vitest';
import { GPTNeoX, generate, readSafetensors, sampledWindows, Trainer, writeSafetensors } from '../src/index.ts';

test('a page trains a model, writes it as safetensors, reads it back and generates the same text', async () => {
  const options = { vocabSize: 5, hiddenSize: 8, layers: 1, heads: 2, rotaryFraction: 0.5 };
  const model = GPTNeoX.init(float64Backend(), options, { seed: 1 });
  const data = sampledWindows(Uint16Array.from({ length: 60 }, (_, i) => i % 5));
  const trainer = new Trainer({ model, data, batchSize: 2, seqLen: 8, steps: 20, learningRate: 3e-2 });
  const losses: number[] = [];
  for (let i = 0; i < 20; i++) losses.push((await trainer.step()).loss);
  expect(losses[0]).toBeGreaterThan(1);
  expect(losses[19]).toBeLessThan(0.5);
  const { parameters } = await trainer.state();
  const copy = GPTNeoX.load(float64Backend(), options, readSafetensors(writeSafetensors(parameters)));
  const textOf = async (from: GPTNeoX) => {
    const text: number[] = [];
    for await (const token of generate(from, [0, 1], { maxTokens: 10, temperature: 0 })) text.push(token);
    return text;
  };
  expect(await textOf(copy)).toEqual(await textOf(model));
  expect(await textOf(copy)).toEqual([2, 3, 4, 0, 1, 2, 3, 4, 0, 1]);
});
