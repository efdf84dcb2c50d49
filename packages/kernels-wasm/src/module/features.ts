import { UnsupportedError } from '@linattn/math';
import { builtin } from './node.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(text.split(' '), (byte) => Number.parseInt(byte, 16));

// (module (func (result v128) i32.const 0 i8x16.splat <op>)): the smallest modules that use what is asked for.
const simdModule = bytes('0 61 73 6d 1 0 0 0 1 5 1 60 0 1 7b 3 2 1 0 a 8 1 6 0 41 0 fd f b');
// Three splats and f32x4.relaxed_madd (0xfd 0x105).
const relaxedModule = bytes(
  '0 61 73 6d 1 0 0 0 1 5 1 60 0 1 7b 3 2 1 0 a 13 1 11 0 41 0 fd f 41 0 fd f 41 0 fd f fd 85 2 b',
);

let relaxed: Promise<boolean> | undefined;

/** Whether the engine has 128-bit SIMD. */
export const hasSimd = (): boolean => typeof WebAssembly !== 'undefined' && WebAssembly.validate(simdModule);

/** Whether the engine has relaxed SIMD (fused multiply-add). Node 20 has it behind a flag, which may be set at run time. */
export function hasRelaxedSimd(): Promise<boolean> {
  relaxed ??= probeRelaxed();
  return relaxed;
}

async function probeRelaxed(): Promise<boolean> {
  if (WebAssembly.validate(relaxedModule)) return true;
  const v8 = await builtin<typeof import('node:v8')>('v8');
  if (!v8) return false;
  try {
    v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
  } catch {
    return false;
  }
  return WebAssembly.validate(relaxedModule);
}

/** @throws UnsupportedError where the engine has no SIMD: there is no scalar build. */
export function requireSimd(): void {
  if (!hasSimd()) {
    throw new UnsupportedError(
      'wasm',
      '128-bit SIMD',
      'use an engine of 2021 or later (Node 16.4, Chrome 91, Firefox 89, Safari 16.4)',
    );
  }
}
