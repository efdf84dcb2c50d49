import { FormatError, ShapeError } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { halfToNumber } from '../src/checkpoint/dtype.ts';
import { readSafetensors, writeSafetensors } from '../src/index.ts';

/** A file of this header and these data bytes. */
function fileOf(header: unknown, data: ArrayLike<number> = []): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

const tensors = new Map([
  ['a', { shape: [2, 3], values: Float32Array.of(1, -2.5, 3, 1e-40, 5e30, -0) }],
  ['a.scalar', { shape: [], values: Float64Array.of(Math.PI) }],
  ['empty', { shape: [0, 4], values: new Float32Array(0) }],
]);

describe('a file', () => {
  test('comes back to the bit, with its metadata', () => {
    const file = readSafetensors(writeSafetensors(tensors, { format: 'pt', note: 'ä' }));
    expect(file.metadata).toEqual({ format: 'pt', note: 'ä' });
    expect([...file.tensors.keys()]).toEqual([...tensors.keys()]);
    for (const [name, tensor] of tensors) expect(file.read(name)).toEqual(tensor);
  });

  test('begins its numbers at a multiple of 8', () => {
    const bytes = writeSafetensors(tensors);
    expect(Number(new DataView(bytes.buffer).getBigUint64(0, true)) % 8).toBe(0);
  });

  test('is read from any place in a larger buffer', () => {
    const bytes = writeSafetensors(tensors);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    expect(readSafetensors(shifted.subarray(3)).read('a.scalar').values).toEqual(Float64Array.of(Math.PI));
  });

  test('shapes that do not fit are not written', () => {
    expect(() => writeSafetensors([['x', { shape: [3], values: new Float32Array(2) }]])).toThrow(ShapeError);
  });
});

describe('types', () => {
  test('F16 and BF16 become float32, exactly', () => {
    const half = [0x3c00, 0xc000, 0x7bff, 0x0001, 0x8000, 0x3555];
    const brain = [0x3f80, 0xc000, 0x7f7f, 0x0001, 0x8000, 0x3eab];
    const bytes = new Uint8Array(Uint16Array.of(...half, ...brain).buffer);
    const file = readSafetensors(fileOf({ half: entry('F16', [6], 0, 12), brain: entry('BF16', [6], 12, 24) }, bytes));
    expect([...file.read('half').values]).toEqual([1, -2, 65504, 2 ** -24, -0, 0.333251953125]);
    expect([...file.read('brain').values]).toEqual([1, -2, 3.3895313892515355e38, 2 ** -133, -0, 0.333984375]);
    expect([0x7c00, 0xfc00, 0x7e00].map(halfToNumber)).toEqual([Infinity, -Infinity, NaN]);
  });

  test('integers lie beside numbers, and are not read as such', () => {
    const file = readSafetensors(
      fileOf({ ids: entry('I64', [1], 0, 8), x: entry('F32', [1], 8, 12) }, new Uint8Array(12)),
    );
    expect(file.read('x').values).toEqual(Float32Array.of(0));
    expect(() => file.read('ids')).toThrow(/file.*ids|safetensors: tensor ids of type I64/);
    expect(() => file.read('y')).toThrow(/safetensors: it has no tensor y/);
  });
});

describe('a damaged file', () => {
  test('cut at any byte is refused', () => {
    const bytes = writeSafetensors(tensors);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => readSafetensors(bytes.slice(0, length), 'cut')).toThrow(FormatError);
    }
    expect(() => readSafetensors(new Uint8Array([...bytes, 0]), 'long')).toThrow(
      /long: 1 bytes that belong to no tensor/,
    );
  });

  test.each<[string, Uint8Array, RegExp]>([
    ['no JSON', fileOf('{"a": '), /its header is no JSON/],
    ['no UTF-8', fileOf('', [0xff]).fill(1, 0, 1), /its header is no JSON/],
    ['no table', fileOf('[]'), /its header is no table/],
    ['null', fileOf('null'), /its header is no table/],
    ['a header of 2^60 bytes', new Uint8Array(8).fill(0x10, 7), /it is no safetensors file/],
    ['metadata that are no strings', fileOf({ __metadata__: { a: 1 } }), /__metadata__/],
    ['an unknown type', fileOf({ a: entry('F31', [1], 0, 4) }, [0, 0, 0, 0]), /tensor a: unknown type F31/],
    ['a type of Object.prototype', fileOf({ a: entry('toString', [1], 0, 4) }, [0, 0, 0, 0]), /unknown type/],
    ['a negative extent', fileOf({ a: entry('F32', [-1], 0, 4) }, [0, 0, 0, 0]), /tensor a: bad shape \[-1\]/],
    ['a fractional extent', fileOf({ a: entry('F32', [0.5], 0, 2) }, [0, 0]), /tensor a: bad shape/],
    ['no offsets', fileOf({ a: { dtype: 'F32', shape: [1] } }, [0, 0, 0, 0]), /tensor a: bad data_offsets/],
    ['offsets the wrong way round', fileOf({ a: entry('F32', [1], 4, 0) }, [0, 0, 0, 0]), /tensor a: -4 bytes/],
    [
      'a size that does not fit',
      fileOf({ a: entry('F32', [2], 0, 4) }, [0, 0, 0, 0]),
      /tensor a: 4 bytes, where F32 \[2\] takes 8/,
    ],
    ['data that end early', fileOf({ a: entry('F32', [1], 0, 4) }, [0, 0]), /tensor a: the file is cut short/],
    [
      'overlap',
      fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 2, 6) }, new Uint8Array(6)),
      /tensor b overlaps/,
    ],
    [
      'one place twice',
      fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 0, 4) }, new Uint8Array(4)),
      /tensor b overlaps/,
    ],
    [
      'a gap',
      fileOf({ a: entry('F32', [1], 0, 4), b: entry('F32', [1], 6, 10) }, new Uint8Array(10)),
      /a gap of 2 bytes before tensor b/,
    ],
    ['an entry that is no table', fileOf({ a: 3 }), /tensor a: unknown type/],
  ])('%s', (_, bytes, message) => {
    expect(() => readSafetensors(bytes, 'model')).toThrow(FormatError);
    expect(() => readSafetensors(bytes, 'model')).toThrow(message);
    expect(() => readSafetensors(bytes, 'model')).toThrow(/^model: /);
  });
});
