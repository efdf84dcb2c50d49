/// <reference types="node" />
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  GPTNeoX,
  type GPTNeoXOptions,
  MismatchError,
  sampledWindows,
  Trainer,
  type TrainerState,
} from '../src/index.ts';
import { loadCheckpoint, loadPretrained, saveCheckpoint, savePretrained, writeAtomically } from '../src/node/index.ts';
import { ids, tinyModel } from './helpers.ts';

const data = sampledWindows(
  Uint16Array.from({ length: 100 }, (_, i) => (i * i) % 7),
  { seed: 2 },
);
const options: Partial<GPTNeoXOptions> = {
  attention: { type: 'linear', learnable: true },
  dropout: { mode: 'keys', rate: 0.2 },
};
const trainerOf = (model = tinyModel(options)) =>
  new Trainer({ model, data, batchSize: 2, seqLen: 8, steps: 6, seed: 9 });

async function losses(trainer: Trainer, steps: number): Promise<number[]> {
  const seen: number[] = [];
  for (let i = 0; i < steps; i++) seen.push((await trainer.step()).loss);
  return seen;
}

let root: string;
let state: TrainerState;
/** A folder with a sound checkpoint, to be copied. */
let sound: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'linattn-checkpoint-'));
  const trainer = trainerOf();
  await losses(trainer, 3);
  state = await trainer.state();
  sound = join(root, 'sound');
  await saveCheckpoint(sound, state, { tokenizer: 'bytes' });
});
afterAll(() => rm(root, { recursive: true, force: true }));

describe('resuming', () => {
  test('6 steps = 3 steps, saved, loaded into another model, and 3 more: to the last bit', async () => {
    const straight = trainerOf();
    const expected = await losses(straight, 6);
    const { state: loaded, model, extra } = await loadCheckpoint(sound);
    expect(extra).toEqual({ tokenizer: 'bytes' });
    expect(loaded.step).toBe(3);
    expect(loaded.settings).toEqual({ batchSize: 2, seqLen: 8, steps: 6, seed: 9 });
    const resumed = trainerOf(GPTNeoX.load(float64Backend(), loaded.config as GPTNeoXOptions, model));
    resumed.restore(loaded);
    expect(await losses(resumed, 3)).toEqual(expected.slice(3));
    expect((await resumed.state()).parameters).toEqual((await straight.state()).parameters);
    expect((await resumed.state()).moment2).toEqual((await straight.state()).moment2);
  });

  test('float64 is stored as such', async () => {
    const { model } = await loadCheckpoint(sound);
    for (const { dtype } of model.tensors.values()) expect(dtype).toBe('F64');
  });

  test('a state of another model is refused, and nothing is replaced', async () => {
    const trainer = trainerOf(tinyModel({ ...options, intermediateSize: 16 }));
    const before = await trainer.state();
    expect(() => trainer.restore(state)).toThrow(MismatchError);
    expect(() => trainer.restore(state)).toThrow(/config\.intermediateSize: the model has 16, the checkpoint 12/);
    const parameters = new Map([...before.parameters].slice(1));
    expect(() => trainer.restore({ ...before, parameters })).toThrow(/parameter gpt_neox\.embed_in\.weight/);
    const [name, { shape, values }] = [...before.moment2].at(-1)!;
    const damaged = new Map(before.moment2).set(name, { shape, values: values.map(() => Number.NaN) });
    const { backend } = trainer.options.model;
    const { buffers } = backend.memory();
    expect(() => trainer.restore({ ...before, step: 5, moment2: damaged })).toThrow(
      /second moment of embed_out\.weight/,
    );
    expect(backend.memory().buffers).toBe(buffers);
    expect(await trainer.state()).toEqual(before);
  });
});

describe('the folder', () => {
  test('a later checkpoint takes the place of the former and leaves nothing of it', async () => {
    const folder = join(root, 'again');
    await saveCheckpoint(folder, state);
    await saveCheckpoint(folder, { ...state, step: 4 });
    expect((await loadCheckpoint(folder)).state.step).toBe(4);
    const trainer = trainerOf();
    await saveCheckpoint(folder, await trainer.state());
    expect((await loadCheckpoint(folder)).state.step).toBe(0);
    expect(await readdir(folder)).toHaveLength(3);
  });

  test('a save that fails halfway leaves the former checkpoint', async () => {
    const folder = join(root, 'half');
    await saveCheckpoint(folder, state);
    const other = await trainerOf().state();
    // JSON cannot hold it: the data files are written, the manifest is not.
    await expect(saveCheckpoint(folder, other, { big: 1n })).rejects.toThrow();
    expect((await loadCheckpoint(folder)).state).toEqual(state);
    await saveCheckpoint(folder, state);
    expect(await readdir(folder)).toHaveLength(3);
  });

  test('a file is written whole or not at all, and no temporary file stays', async () => {
    const folder = join(root, 'atomic');
    await writeAtomically(join(folder, 'deep', 'a.txt'), 'one');
    await writeAtomically(join(folder, 'deep', 'a.txt'), 'two');
    expect(await readFile(join(folder, 'deep', 'a.txt'), 'utf8')).toBe('two');
    await expect(writeAtomically(join(folder, 'deep'), 'over a folder')).rejects.toThrow();
    expect(await readdir(folder)).toEqual(['deep']);
    expect(await readdir(join(folder, 'deep'))).toEqual(['a.txt']);
  });

  const damaged = async (
    name: string,
    change: (folder: string, file: (kind: string) => Promise<string>) => Promise<void>,
  ) => {
    const folder = join(root, name);
    await cp(sound, folder, { recursive: true });
    const names = await readdir(folder);
    await change(folder, async (kind) => join(folder, names.find((n) => n.startsWith(kind))!));
    const error = await loadCheckpoint(folder).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(FormatError);
    return String(error);
  };

  test('missing, cut, changed and foreign files are told by name', async () => {
    await expect(loadCheckpoint(join(root, 'nowhere'))).rejects.toThrow(/checkpoint\.json: there is no such file/);
    expect(await damaged('a', async (_, file) => rm(await file('model')))).toMatch(
      /model-\w+\.safetensors: there is no such file/,
    );
    const cut = async (path: string) => writeFile(path, (await readFile(path)).subarray(0, 100));
    expect(await damaged('b', async (_, file) => cut(await file('optimizer')))).toMatch(
      /optimizer-\w+\.safetensors: it has 100 bytes/,
    );
    expect(await damaged('c', async (_, file) => cut(await file('checkpoint')))).toMatch(
      /checkpoint\.json: it is no JSON/,
    );
    const flip = async (path: string) => {
      const bytes = await readFile(path);
      bytes[bytes.length - 5] ^= 1;
      await writeFile(path, bytes);
    };
    expect(await damaged('d', async (_, file) => flip(await file('model')))).toMatch(
      /model-\w+\.safetensors: its content changed/,
    );
    const edit = (from: string | RegExp, to: string) => async (_: string, file: (kind: string) => Promise<string>) => {
      const path = await file('checkpoint');
      await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
    };
    expect(await damaged('e', edit('linattn-checkpoint', 'other'))).toMatch(/it is no checkpoint of linattn/);
    expect(await damaged('f', edit('"version": 1', '"version": 2'))).toMatch(/version 2/);
    expect(await damaged('g', edit('"step": 3', '"step": -3'))).toMatch(/step is -3/);
    expect(await damaged('h', edit(/model-\w+/, '../model'))).toMatch(/its record of the model is damaged/);
  });
});

test('a model in the layout of Hugging Face comes back with the same logits', async () => {
  const folder = join(root, 'pretrained');
  const model = tinyModel(options);
  await savePretrained(model, folder);
  const again = await loadPretrained(float64Backend(), folder);
  expect(again.config).toEqual(model.config);
  const logits = (m: GPTNeoX) => m.logits(ids(m, [[1, 2, 3]])).read();
  expect(await logits(again)).toEqual(await logits(model));
  // Coefficients were learned: an attention without has no place for them.
  await expect(loadPretrained(float64Backend(), folder, { attention: { type: 'softmax' } })).rejects.toThrow(
    /model\.safetensors: tensor gpt_neox\.layers\.0\.attention\.coefficients has no place/,
  );
});
