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

/** Of some elements, the largest difference from the product in float64, over the largest of them. */
async function errorOf(left: Tensor, right: Tensor, a: boolean, b: boolean): Promise<number> {
  const product = matmul(left, right, a, b);
  const [x, y, found] = [await left.read(), await right.read(), await product.read()];
  const [m, n] = product.shape;
  const k = left.size / m;
  product.dispose();
  let [difference, most] = [0, 0];
  for (let sample = 0; sample < 256; sample++) {
    const i = (sample * 7919) % m;
    const j = (sample * 104_729) % n;
    let exact = 0;
    for (let at = 0; at < k; at++) exact += x[a ? at * m + i : i * k + at] * y[b ? j * k + at : at * n + j];
    difference = Math.max(difference, Math.abs(found[i * n + j] - exact));
    most = Math.max(most, Math.abs(exact));
  }
  return difference / most;
}

/** TFLOP/s of matrix products: square ones in all forms, and those of a small language model. */
export async function benchMatmul(backend: WebgpuBackend): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { m, n, k, a, b } of cases) {
    const draw = (which: number, rows: number, columns: number): Tensor =>
      random(backend, { shape: [rows, columns], distribution: 'normal', key: [m, n], stream: [k, which] });
    const left = a ? draw(0, k, m) : draw(0, m, k);
    const right = b ? draw(1, n, k) : draw(1, k, n);
    const { median } = await time(backend, () => matmul(left, right, a, b).dispose());
    const error = await errorOf(left, right, a, b);
    left.dispose();
    right.dispose();
    const TFLOPs = (2 * m * n * k) / median / 1e9;
    found.push({ m, n, k, transposeA: a, transposeB: b, milliseconds: median, TFLOPs, error });
    console.log(
      `matmul ${a ? 'T' : 'N'}${b ? 'T' : 'N'} ${m}x${n}x${k}: ${median.toFixed(3)} ms, ${TFLOPs.toFixed(1)} TFLOP/s, error ${error.toExponential(1)}`,
    );
  }
  return found;
}
