import { type Gpu, gridOf } from '../runtime/gpu.ts';
import { type Buffer, bindingAlignment, view } from '../runtime/pool.ts';
import toFloat16Source from './to-float16.wgsl?raw';
import toFloat32Source from './to-float32.wgsl?raw';

// Float16 as a storage type: two numbers a word, the first in the low bits, as WGSL's unpack2x16float reads them. Every device has that;
// nothing here needs the feature shader-f16.

/** One of the two kernels over `size` numbers, as many at a time as a binding holds in float32. */
function convert(gpu: Gpu, name: 'toFloat16' | 'toFloat32', out: Buffer, x: Buffer, size: number): Buffer {
  const [source, outBytes, xBytes] = name === 'toFloat16' ? [toFloat16Source, 2, 4] : [toFloat32Source, 4, 2];
  // Halves begin where a binding may, too.
  const most = Math.floor(gpu.bindingBytes / 2 / bindingAlignment) * (bindingAlignment / 2);
  for (let start = 0; start < size; start += most) {
    const fours = Math.ceil(Math.min(most, size - start) / 4);
    const part = (of: Buffer, each: number) => (size <= most ? of : view(of, each * start, each * 4 * fours));
    gpu.run({ name, source, constants: {} }, [part(out, outBytes), part(x, xBytes)], [fours], gridOf(fours, 256));
  }
  return out;
}

/** A copy of `size` float32 numbers, rounded to float16. The caller gives it back. */
export function toFloat16(gpu: Gpu, x: Buffer, size: number): Buffer {
  const out = gpu.take('float16', Math.ceil(size / 2), { inViews: true });
  out.half = true;
  return convert(gpu, 'toFloat16', out, x, size);
}

/** A float32 copy of `size` float16 numbers: exact. The caller gives it back. */
export const toFloat32 = (gpu: Gpu, x: Buffer, size: number): Buffer =>
  convert(gpu, 'toFloat32', gpu.take('float32', size, { inViews: true }), x, size);
