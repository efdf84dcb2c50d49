import { createWasmBackend } from '@linattn/kernels-wasm';
import { type Backend, FormatError } from '@linattn/math';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nextAfter } from '../src/backends/names.ts';
import { decoder, encode, entropyOf } from '../src/train/bytes.ts';
import { type Corpus, fileCorpus, storyCorpus } from '../src/train/corpus.ts';
import { readModelFile, writeModelFile } from '../src/train/model-file.ts';
import { Session, Writer } from '../src/train/session.ts';
import {
  type Dropout,
  defaultSettings,
  dropouts,
  isTrainSettings,
  softmaxDropouts,
  type TrainSettings,
} from '../src/train/settings.ts';

const settings: TrainSettings = { ...defaultSettings, size: 'tiny', seqLen: 64, steps: 40 };
let backend: Backend;
let corpus: Corpus;
beforeAll(async () => {
  backend = await createWasmBackend({ threads: 1 });
  corpus = storyCorpus(1, 20);
});
afterAll(() => backend.dispose());

async function losses(session: Session, steps: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < steps; i++) found.push((await session.trainer.step()).loss);
  return found;
}

describe('a saved run', () => {
  test('goes on as if it had never stopped, to the last bit', async () => {
    const whole = new Session(backend, { ...settings, dropout: 'keys' }, corpus);
    const all = await losses(whole, 6);
    const first = new Session(backend, { ...settings, dropout: 'keys' }, corpus);
    expect(await losses(first, 3)).toEqual(all.slice(0, 3));
    const bytes = writeModelFile({
      settings: first.settings,
      corpus: corpus.name,
      state: await first.trainer.state(),
    });
    const file = readModelFile(bytes, 'model.safetensors');
    expect(file.settings).toEqual(first.settings);
    const second = new Session(backend, file.settings, corpus, file.state);
    expect(second.trainer.steps).toBe(3);
    expect(await losses(second, 3)).toEqual(all.slice(3));
    for (const session of [whole, first, second]) session.dispose();
  });

  test('that is cut, or none of this page, is refused by name', async () => {
    const session = new Session(backend, settings, corpus);
    const bytes = writeModelFile({ settings, corpus: corpus.name, state: await session.trainer.state() });
    session.dispose();
    expect(() => readModelFile(bytes.subarray(0, bytes.length - 9), 'cut.safetensors')).toThrow(FormatError);
    expect(() => readModelFile(encode('Once upon a time'), 'story.txt')).toThrow(/story\.txt/);
    const other = new TextDecoder('latin1').decode(bytes).replace('linattn-playground-1', 'linattn-playground-9');
    expect(() =>
      readModelFile(
        Uint8Array.from(other, (c) => c.charCodeAt(0)),
        'x',
      ),
    ).toThrow(/did not save it/);
  });
});

test('a fresh model of every attention learns', async () => {
  for (const attention of ['first', 'second', 'softmax'] as const) {
    const session = new Session(backend, { ...settings, attention }, corpus);
    const found = await losses(session, 15);
    expect(found[0]).toBeGreaterThan(5);
    expect(found.at(-1)).toBeLessThan(0.75 * found[0]);
    session.dispose();
  }
});

test('every attention takes a step with every replacement of dropout that is offered for it', async () => {
  for (const attention of ['first', 'second', 'softmax'] as const) {
    for (const dropout of Object.keys(dropouts) as Dropout[]) {
      if (attention === 'softmax' && !softmaxDropouts.includes(dropout)) continue;
      const session = new Session(backend, { ...settings, attention, dropout }, corpus);
      const [loss] = await losses(session, 1);
      expect(loss, `${attention}, ${dropout}`).toBeLessThan(7);
      session.dispose();
    }
  }
});

describe('writing', () => {
  const carried = async (attention: TrainSettings['attention']) => {
    const session = new Session(backend, { ...settings, attention }, corpus);
    const writer = new Writer(session.model, 'Once', { temperature: 1, seed: 1 });
    const found = [];
    for (let i = 0; i < 12; i++) {
      await writer.next();
      found.push(writer.report);
    }
    writer.dispose();
    session.dispose();
    return found;
  };

  test('linear attention carries the same few numbers after any token, less than keys and values before long', async () => {
    const reports = await carried('first');
    // One layer, two heads of 16: (1 + 16)² each; and three past inputs of 32 for each of two short convolutions.
    expect(reports.map(({ stateBytes }) => stateBytes)).toEqual(Array(12).fill(4 * (2 * 17 * 17 + 2 * 3 * 32)));
    expect(reports.at(-1)!.cacheBytes).toBe(4 * 2 * 32 * (5 + 11));
  });

  test('softmax attention carries every key and value', async () => {
    const convolutions = 4 * 2 * 3 * 32;
    for (const { stateBytes, cacheBytes } of await carried('softmax'))
      expect(stateBytes).toBe(cacheBytes + convolutions);
  });
});

describe('texts', () => {
  test('a file becomes a text to train on and a part that is held out', () => {
    const bytes = encode('Löwen schlafen. '.repeat(50));
    const { training, heldOut, name } = fileCorpus({ name: 'lions.txt', bytes }, 64);
    expect(name).toBe('lions.txt');
    expect([...training, ...heldOut]).toEqual([0, ...bytes]);
  });

  test('what is no text, or too short, is refused by name', () => {
    const file = (bytes: Uint8Array) => () => fileCorpus({ name: 'a.bin', bytes }, 64);
    expect(file(Uint8Array.of(0xff, 0xfe, 0x41))).toThrow(/a\.bin.*UTF-8/);
    expect(file(Uint8Array.of(65, 0, 66))).toThrow(/byte 0/);
    expect(file(encode('short'))).toThrow(/too short/);
  });

  test('characters of several bytes appear when they are whole', () => {
    const next = decoder();
    expect([...encode('aö€')].map(next)).toEqual(['a', '', 'ö', '', '', '€']);
    expect(next(0)).toBe('\n\n');
  });

  test('order-0 entropy of two equally frequent bytes is ln 2', () => {
    expect(entropyOf(encode('abab'))).toBeCloseTo(Math.LN2, 12);
  });
});

test('after a GPU the processor is offered, after the processor what comes first', () => {
  const reports = (['webgpu', 'gpujs-webgl2', 'wasm', 'gpujs-cpu'] as const).map((name) => ({
    name,
    available: true,
    automatic: name !== 'gpujs-cpu',
    detail: '',
  }));
  expect(nextAfter('webgpu', reports)).toBe('wasm');
  expect(nextAfter('gpujs-webgl2', reports)).toBe('wasm');
  expect(nextAfter('wasm', reports)).toBe('webgpu');
  expect(nextAfter('webgpu', reports.slice(0, 2))).toBe('gpujs-webgl2');
  expect(nextAfter('webgpu', reports.slice(0, 1))).toBeUndefined();
});

test('settings that no model can have are not taken from a file', () => {
  expect(isTrainSettings(settings)).toBe(true);
  for (const change of [{ size: 'huge' }, { attention: 'softmax', dropout: 'keys' }, { seqLen: 3 }, { steps: -1 }]) {
    expect(isTrainSettings({ ...settings, ...change })).toBe(false);
  }
});
