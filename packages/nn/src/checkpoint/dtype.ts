import type { FloatArray } from '@linattn/math';

/** Bytes an element of every type that safetensors knows. */
export const elementBytes: Readonly<Record<string, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
};

/** IEEE half precision: 1 sign bit, 5 of exponent (bias 15), 10 of fraction. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >>> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const words = (bytes: Uint8Array): Uint16Array => new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 2);

/** Numbers of floating-point types, from bytes that begin at a multiple of 8. */
export const decoders: Readonly<Record<string, (bytes: Uint8Array) => FloatArray>> = {
  F64: ({ buffer, byteOffset, byteLength }) => new Float64Array(buffer, byteOffset, byteLength / 8),
  F32: ({ buffer, byteOffset, byteLength }) => new Float32Array(buffer, byteOffset, byteLength / 4),
  F16: (bytes) => Float32Array.from(words(bytes), halfToNumber),
  // The upper half of a float32.
  BF16: (bytes) => new Float32Array(Uint32Array.from(words(bytes), (word) => word << 16).buffer),
};
