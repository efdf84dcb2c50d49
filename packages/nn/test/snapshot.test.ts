/// <reference types="node" />
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FormatError, LinattnError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { afterAll, describe, expect, test } from 'vitest';
import {
  type DecodingState,
  type GPTNeoX,
  type GPTNeoXOptions,
  type HostTensor,
  MismatchError,
  readDecodingState,
  readSafetensors,
  writeDecodingState,
  writeSafetensors,
} from '../src/index.ts';
import { loadDecodingState, saveDecodingState } from '../src/node/index.ts';
import { ids, tinyModel } from './helpers.ts';

const text = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8];

/** Reads `tokens` for two sequences at once, and gives the logits after them. */
async function decode(model: GPTNeoX, state: DecodingState, tokens: readonly number[]): Promise<ArrayLike<number>> {
  const rows = ids(model, [tokens, tokens.map((token) => (token + 1) % 10)]);
  const logits = model.decode(rows, state);
  const values = await logits.read();
  rows.dispose();
  logits.dispose();
  return values;
}

const kinds: [string, Partial<GPTNeoXOptions>][] = [
  ['linear', { attention: { type: 'linear' } }],
  ['linear of order 2', { attention: { type: 'linear', c: 0.5 } }],
  ['linear, learned', { attention: { type: 'linear', learnable: true, order: 2 } }],
  ['linear, an order that c = 0 does not use', { attention: { type: 'linear', order: 2 } }],
  ['linear, random features', { attention: { type: 'linear', featureMap: 'favor', features: 6 } }],
  ['softmax', { attention: { type: 'softmax' } }],
  ['linear, with short convolutions', { shortConvolution: 4 }],
];

describe.each(kinds)('%s', (_, options) => {
  test('a state that was written and read goes on to the last bit', async () => {
    const model = tinyModel(options);
    const state = model.start();
    for (const upTo of [0, 5, 9]) {
      if (state.position < upTo) await decode(model, state, text.slice(state.position, upTo));
      const writing = writeDecodingState(model, state);
      const read = readDecodingState(model, await writing);
      expect(read.position).toBe(upTo);
      const expected = await decode(model, state, text.slice(upTo, upTo + 2));
      expect(await decode(model, read, text.slice(upTo, upTo + 2))).toEqual(expected);
      read.dispose();
    }
    state.dispose();
  });
});

test('the state is taken at the call, and nothing is left behind', async () => {
  const model = tinyModel();
  const state = model.start();
  await decode(model, state, text.slice(0, 4));
  const before = model.backend.memory();
  const writing = writeDecodingState(model, state);
  const expected = await decode(model, state, [7, 7]);
  const read = readDecodingState(model, await writing);
  expect(await decode(model, read, [7, 7])).toEqual(expected);
  read.dispose();
  expect(model.backend.memory()).toEqual(before);
});

test('with linear attention the file stays as small as it is after one token', async () => {
  const sizes = async (type: 'linear' | 'softmax') => {
    const model = tinyModel({ attention: { type } });
    const state = model.start();
    const lengths: number[] = [];
    for (const upTo of [1, 5, 9]) {
      await decode(model, state, text.slice(state.position, upTo));
      lengths.push((await writeDecodingState(model, state)).length);
    }
    return lengths;
  };
  const [first, ...later] = await sizes('linear');
  expect(later).toEqual([first, first]);
  const grows = await sizes('softmax');
  expect(grows[2]).toBeGreaterThan(grows[0]);
});

describe('what cannot be restored', () => {
  const model = tinyModel();
  const written = (async () => {
    const state = model.start();
    await decode(model, state, text);
    const bytes = await writeDecodingState(model, state, { identity: 'run 7' });
    state.dispose();
    return bytes;
  })();
  const failing = async (
    change: (bytes: Uint8Array) => Uint8Array,
    kind: typeof FormatError | typeof MismatchError,
    message: RegExp,
    into: GPTNeoX = model,
    identity: string | undefined = 'run 7',
  ) => {
    const bytes = change(await written);
    const before = into.backend.memory();
    const read = () => readDecodingState(into, bytes, { identity, name: 'file' });
    expect(read).toThrow(kind);
    expect(read).toThrow(message);
    expect(read).toThrow(LinattnError);
    expect(into.backend.memory()).toEqual(before);
  };
  const same = (bytes: Uint8Array) => bytes;
  /** The same file with other metadata and other tensors. */
  const rewritten =
    (metadata: Record<string, string>, map = (tensors: Map<string, HostTensor>) => tensors) =>
    (bytes: Uint8Array) => {
      const file = readSafetensors(bytes);
      const tensors = new Map([...file.tensors.keys()].map((name) => [name, file.read(name)]));
      return writeSafetensors(map(tensors), { ...file.metadata, ...metadata });
    };

  test('a file cut short, at any length', async () => {
    const { length } = await written;
    for (const part of [0, 5, 100, length >> 1, length - 1]) {
      await failing((bytes) => bytes.subarray(0, part), FormatError, /^file: .*(cut short|header)/);
    }
  });

  test('another file, another version, a damaged one', async () => {
    await failing(() => writeSafetensors([]), FormatError, /^file: it is no decoding state/);
    await failing(rewritten({ version: '2' }), FormatError, /^file: version 2, where 1/);
    await failing(rewritten({ position: '-1' }), FormatError, /^file: position is -1/);
    await failing(rewritten({ config: '{' }), FormatError, /^file: its config is damaged/);
    const without = rewritten(
      {},
      (tensors) => new Map([...tensors].filter(([name]) => name !== 'layers.1.attention.0')),
    );
    await failing(without, FormatError, /^file: it has no tensor layers.1.attention.0/);
    const other = { shape: [2, 2, 2, 5], values: new Float64Array(40) };
    const wrong = rewritten({}, (tensors) => tensors.set('layers.1.attention.0', other));
    await failing(wrong, FormatError, /^file: tensor layers.1.attention.0 is \[2, 2, 2, 5\], where \[2, 2, 5, 5\]/);
    const more = rewritten({}, (tensors) => tensors.set('layers.2.attention.0', other));
    await failing(more, FormatError, /^file: tensor layers.2.attention.0 has no place/);
    await failing(rewritten({ position: '0' }), FormatError, /has no place/);
  });

  test('the state of another model: the option that differs is named', async () => {
    const backend = float64Backend();
    await failing(same, MismatchError, /^config.layers: .* 3, .* 2/, tinyModel({ layers: 3 }, 1, backend));
    const softmax = tinyModel({ attention: { type: 'softmax' } }, 1, backend);
    await failing(same, MismatchError, /^config.attention.type: /, softmax);
    await failing(same, MismatchError, /^identity: .*run 8.*run 7/, model, 'run 8');
    // Dropout and initialization do not matter to decoding.
    const alike = tinyModel({ dropout: { mode: 'keys', rate: 0.3 }, initialization: 'normal' });
    readDecodingState(alike, await written, { identity: 'run 7' }).dispose();
  });
});

describe('as files', () => {
  const folder = mkdtemp(join(tmpdir(), 'linattn-state-'));
  afterAll(async () => rm(await folder, { recursive: true, force: true }));

  test('written and read', async () => {
    const model = tinyModel();
    const state = model.start();
    await decode(model, state, text);
    const path = join(await folder, 'place', 'state.safetensors');
    await saveDecodingState(path, model, state);
    const read = await loadDecodingState(path, model);
    expect(await decode(model, read, [2])).toEqual(await decode(model, state, [2]));
  });

  test('a file that is not there is named', async () => {
    const path = join(await folder, 'none.safetensors');
    await expect(loadDecodingState(path, tinyModel())).rejects.toThrow(`${path}: there is no such file`);
  });
});
