import { join } from 'node:path';
import { indices, TensorUseError, tensor } from '@linattn/math';
import { GPTNeoX, generate, sampledWindows, Trainer } from '@linattn/nn';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from '../../kernels-webgpu/test/adapter.ts';
import { rounded } from '../../kernels-webgpu/test/halves.ts';
import { run, temporaryFolder } from './support/cli.ts';

const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Generation with weights in float16 is skipped: ${missing}`);

const trained = async () => {
  const out = join(temporaryFolder(), 'run');
  const options =
    '--layers 1 --hidden 16 --heads 2 --batch 1 --seq-len 32 --stories 60 --evaluations 0 --story-tokens 0';
  const { code } = await run('train', ...options.split(' '), '--steps', '1', '--backend', 'float64', '--out', out);
  expect(code).toBe(0);
  return out;
};

test('a backend without such storage is refused, with what to do', async () => {
  const { code, stderr } = await run('generate', '--model', await trained(), '--backend', 'float64', '--float16', '-q');
  expect(stderr.trimEnd()).toBe(
    'linattn: --float16: the backend float64 has no storage in float16; add --backend webgpu',
  );
  expect(code).toBe(2);
});

describe.skipIf(missing !== undefined)('generation with weights in float16', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  const options = {
    vocabSize: 40,
    hiddenSize: 32,
    layers: 2,
    heads: 2,
    rotaryFraction: 0.5,
    attention: { type: 'linear' },
  } as const;
  const prompt = [3, 1, 4, 1, 5, 9, 2, 6];
  const make = () => GPTNeoX.init(backend, options, { seed: 1 });

  /** The logits after the prompt, and after one more token. */
  const logitsOf = async (model: GPTNeoX) => {
    const state = model.start();
    const found: number[] = [];
    for (const tokens of [prompt, [7]]) {
      const ids = indices(backend, tokens, [1, tokens.length]);
      const logits = model.decode(ids, state);
      found.push(...(await logits.read()));
      for (const each of [ids, logits]) each.dispose();
    }
    state.dispose();
    return found;
  };
  const textOf = async (model: GPTNeoX) => {
    const text: number[] = [];
    for await (const token of generate(model, prompt, { maxTokens: 12, temperature: 0.8, seed: 2 })) text.push(token);
    return text;
  };

  test('is that of the rounded weights to the last bit, and close to that of the weights', async () => {
    const { buffers } = backend.memory();
    const [plain, onHost, stored] = [make(), make(), make()];
    for (const parameter of onHost.parameters.values()) {
      if (parameter.rank !== 2) continue;
      parameter.assign(tensor(backend, (await parameter.read()).map(rounded), parameter.shape));
    }
    stored.storeInFloat16();
    const [exact, expected, found] = [await logitsOf(plain), await logitsOf(onHost), await logitsOf(stored)];
    expect(found).toEqual(expected);
    const error = Math.hypot(...found.map((value, i) => value - exact[i])) / Math.hypot(...exact);
    // Each weight is off by 2^-11 of itself at most, and so is what each of the products in a row makes of its input.
    const products = 2 + 4 * options.layers;
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(products * 2 ** -11);
    expect(await textOf(stored)).toEqual(await textOf(onHost));
    for (const model of [plain, onHost, stored]) model.dispose();
    expect(backend.memory().buffers).toBe(buffers);
  });

  test('a trainer refuses such weights, and says what to do', async () => {
    const model = make();
    model.storeInFloat16();
    const data = sampledWindows(
      Uint16Array.from({ length: 100 }, (_, i) => i % options.vocabSize),
      { seed: 1 },
    );
    const trainer = new Trainer({ model, data, batchSize: 1, seqLen: 8, steps: 2 });
    await expect(trainer.step()).rejects.toThrow(TensorUseError);
    await expect(trainer.step()).rejects.toThrow(/stored in float16.*toFloat16/);
    model.dispose();
  });

  test('from the command line', async () => {
    const out = await trained();
    const write = (...more: string[]) =>
      run('generate', '--model', out, '--prompt', 'ab', '--max-tokens', '5', '--backend', 'webgpu', '-q', ...more);
    const { code, stdout, stderr } = await write('--float16');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^ab/);
    expect(await write('--float16')).toEqual({ code, stdout, stderr });
  });
});
