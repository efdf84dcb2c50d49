import { type FloatArray, FormatError, type Shape, ShapeError, sizeOf } from '@linattn/math';
import { decoders, elementBytes } from './dtype.ts';

/** Numbers on the host, under a shape. */
export interface HostTensor {
  readonly shape: Shape;
  readonly values: FloatArray;
}

/** A tensor as a file holds it. */
export interface StoredTensor {
  /** `F32`, `F64`, `F16`, `BF16`, `I64`, … */
  readonly dtype: string;
  readonly shape: Shape;
  /** A view of the file. */
  readonly bytes: Uint8Array;
}

/** A safetensors file, checked from end to end; numbers are decoded when they are asked for. */
export interface SafetensorsFile {
  /** For messages. */
  readonly name: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /**
   * A tensor's numbers, copied out of the file: float64 for F64, float32 for F32, F16 and BF16.
   * @throws FormatError when there is no such tensor, or its type is not a floating-point one.
   */
  read(tensor: string): HostTensor;
}

/** Longest header accepted, as in the reference implementation. */
const maxHeaderBytes = 100_000_000;

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Reads a safetensors file: 8 bytes of header length, a JSON header, the numbers. Every byte must belong to exactly one tensor.
 * @param name the file's, for messages.
 * @throws FormatError naming the file and the tensor at fault.
 */
export function readSafetensors(bytes: Uint8Array, name = 'safetensors'): SafetensorsFile {
  const { header, start } = readHeader(bytes, name);
  const { __metadata__: metadata = {}, ...described } = header;
  if (!isRecord(metadata) || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw new FormatError(name, 'its __metadata__ is not a table of strings');
  }
  const data = bytes.subarray(start);
  const tensors = new Map<string, StoredTensor>();
  for (const [tensor, entry] of Object.entries(described)) tensors.set(tensor, locate(name, tensor, entry, data));
  checkTiling(name, tensors, data);
  return {
    name,
    metadata: metadata as Record<string, string>,
    tensors,
    read: (tensor) => {
      const stored = tensors.get(tensor);
      if (!stored) throw new FormatError(name, `it has no tensor ${tensor}`);
      const decode = decoders[stored.dtype];
      if (!decode) throw new FormatError(name, `tensor ${tensor} of type ${stored.dtype} does not hold real numbers`);
      // The copy begins at a multiple of 8, wherever the file put it.
      return { shape: stored.shape, values: decode(stored.bytes.slice()) };
    },
  };
}

function readHeader(bytes: Uint8Array, name: string): { header: Record<string, unknown>; start: number } {
  if (bytes.byteLength < 8) throw new FormatError(name, `it is cut short: ${bytes.byteLength} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true));
  const start = 8 + length;
  if (length > maxHeaderBytes) throw new FormatError(name, `it is no safetensors file: a header of ${length} bytes`);
  if (start > bytes.byteLength) {
    throw new FormatError(name, `it is cut short: a header of ${length} bytes in a file of ${bytes.byteLength}`);
  }
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, start)));
    if (isRecord(header)) return { header, start };
  } catch (cause) {
    throw new FormatError(name, 'its header is no JSON', { cause });
  }
  throw new FormatError(name, 'its header is no table');
}

function locate(name: string, tensor: string, entry: unknown, data: Uint8Array): StoredTensor {
  const fail = (message: string) => new FormatError(name, `tensor ${tensor}: ${message}`);
  const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) throw fail(`unknown type ${dtype}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw fail(`bad shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    throw fail(`bad data_offsets ${JSON.stringify(offsets)}`);
  }
  const [begin, end] = offsets as [number, number];
  const expected = sizeOf(shape) * elementBytes[dtype];
  if (end - begin !== expected)
    throw fail(`${end - begin} bytes, where ${dtype} [${shape.join(', ')}] takes ${expected}`);
  if (end > data.byteLength) throw fail(`the file is cut short: it ends at ${data.byteLength} of ${end} bytes`);
  return { dtype, shape, bytes: data.subarray(begin, end) };
}

/** Tensors lie one after the other, without gaps or overlaps, up to the end of the file. */
function checkTiling(name: string, tensors: ReadonlyMap<string, StoredTensor>, data: Uint8Array): void {
  const begin = ([, { bytes }]: [string, StoredTensor]) => bytes.byteOffset - data.byteOffset;
  let end = 0;
  const inOrder = [...tensors].sort((x, y) => begin(x) - begin(y) || x[1].bytes.byteLength - y[1].bytes.byteLength);
  for (const entry of inOrder) {
    if (begin(entry) < end) throw new FormatError(name, `tensor ${entry[0]} overlaps another`);
    if (begin(entry) > end)
      throw new FormatError(name, `a gap of ${begin(entry) - end} bytes before tensor ${entry[0]}`);
    end += entry[1].bytes.byteLength;
  }
  if (end !== data.byteLength) throw new FormatError(name, `${data.byteLength - end} bytes that belong to no tensor`);
}

/**
 * A safetensors file of named numbers, F32 or F64 as their arrays are.
 * @throws ShapeError where a shape does not fit its numbers.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, HostTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const entries = [...tensors];
  const header: Record<string, unknown> = Object.keys(metadata).length ? { __metadata__: metadata } : {};
  let end = 0;
  for (const [name, { shape, values }] of entries) {
    if (sizeOf(shape) !== values.length) throw new ShapeError(name, shape, `${values.length} elements`);
    const offsets = [end, (end += values.byteLength)];
    header[name] = { dtype: values instanceof Float64Array ? 'F64' : 'F32', shape, data_offsets: offsets };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const start = 8 + Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(start + end).fill(0x20, 8, start);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(start - 8), true);
  bytes.set(json, 8);
  let at = start;
  for (const [, { values }] of entries) {
    bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    at += values.byteLength;
  }
  return bytes;
}
