import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { matmul, random, type Tensor } from '@linattn/math';
import { time } from './measure.ts';

const cases = [
  { m: 4096, n: 4096, k: 4096, a: false, b: false },
  { m: 4096, n: 4096, k: 4096, a: false, b: true },
  { m: 4096, n: 4096, k: 4096, a: true, b: false },
  { m: 4096, n: 512, k: 128, a: false, b: true },
  { m: 512, n: 128, k: 4096, a: true, b: false },
  { m: 4096, n: 50_304, k: 128, a: false, b: true },
  { m: 50_304, n: 128, k: 4096, a: true, b: false },
];

/** TFLOP/s of matrix products: square ones in all forms, and those of a small language model. */
export async function benchMatmul(backend: WebgpuBackend): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { m, n, k, a, b } of cases) {
    const draw = (rows: number, columns: number): Tensor =>
      random(backend, { shape: [rows, columns], distribution: 'normal', key: [m, n], stream: [k, 0] });
    const left = a ? draw(k, m) : draw(m, k);
    const right = b ? draw(n, k) : draw(k, n);
    const { median } = await time(backend, () => matmul(left, right, a, b).dispose());
    left.dispose();
    right.dispose();
    const TFLOPs = (2 * m * n * k) / median / 1e9;
    found.push({ m, n, k, transposeA: a, transposeB: b, milliseconds: median, TFLOPs });
    console.log(
      `matmul ${a ? 'T' : 'N'}${b ? 'T' : 'N'} ${m}x${n}x${k}: ${median.toFixed(3)} ms, ${TFLOPs.toFixed(1)} TFLOP/s`,
    );
  }
  return found;
}
