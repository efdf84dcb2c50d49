import { createGpujsBackend } from '@linattn/kernels-gpujs';
import { createWasmBackend } from '@linattn/kernels-wasm';
import type { Backend } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { GPTNeoX, sampledWindows, Trainer } from '@linattn/nn';
import { beforeAll, describe, expect, test } from 'vitest';

const text =
  'Anna gave the red key to Tom. Tom hid it under the old oak. When Anna came back, Tom gave her the red key. ';
const tokens = Uint8Array.from(text.repeat(20), (character) => character.charCodeAt(0) & 0x7f);

/** Losses of the first steps of a small story model; all randomness is Philox, so every backend takes the same steps. */
async function losses(backend: Backend, attention: 'linear' | 'softmax'): Promise<number[]> {
  const model = GPTNeoX.init(
    backend,
    {
      vocabSize: 128,
      hiddenSize: 32,
      layers: 2,
      heads: 2,
      attention: { type: attention },
      dropout: { mode: 'unbiased', rate: 0.1 },
    },
    { seed: 3 },
  );
  const data = sampledWindows(tokens, { seed: 5 });
  const trainer = new Trainer({ model, data, batchSize: 2, seqLen: 40, steps: 6, learningRate: 3e-3, warmup: 1 });
  const found: number[] = [];
  for (let step = 0; step < 6; step++) found.push((await trainer.step()).loss);
  trainer.dispose();
  model.dispose();
  await backend.dispose();
  return found;
}

const backends: Record<string, () => Promise<Backend>> = {
  'gpu.js webgl2': () => createGpujsBackend({ mode: 'webgl2' }),
  'gpu.js webgpu': () => createGpujsBackend({ mode: 'webgpu' }),
  'gpu.js webasm': () => createGpujsBackend({ mode: 'webasm' }),
  wasm: () => createWasmBackend(),
};

describe.each(['linear', 'softmax'] as const)('%s attention', (attention) => {
  let truth: number[];
  beforeAll(async () => {
    truth = await losses(float64Backend(), attention);
  });

  test.each(Object.keys(backends))('the same training steps on %s', async (name) => {
    const found = await losses(await backends[name](), attention);
    expect(truth.at(-1)!).toBeLessThan(truth[0]);
    found.forEach((loss, step) => {
      expect(Math.abs(loss / truth[step] - 1), `step ${step}: ${loss}, float64 ${truth[step]}`).toBeLessThan(1e-5);
    });
  });
});
