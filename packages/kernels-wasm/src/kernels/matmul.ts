import { sizeOf } from '@linattn/math';
import { address, type Device } from '../device.ts';
import { blocksOf, type KernelsOf } from './table.ts';

/** What C starts from. */
export type Start = 'zero' | 'add' | 'bias';
const starts: Readonly<Record<Start, number>> = { zero: 0, add: 1, bias: 2 };

/** An edge tile, 512 KiB of packed B, 128 KiB of packed A: see assembly/matmul/matmul.ts. */
export const scratchBytes = 256 + (131072 + 32768) * 4;

export interface Product {
  readonly batch?: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  readonly start?: Start;
  readonly bias?: number;
}

const up = (x: number, multiple: number): number => Math.ceil(x / multiple) * multiple;

/** Tile extents: whole products where there are enough of them, else about four parts a thread of at least 4 MFLOP. */
function tileOf(device: Device, batch: number, m: number, n: number, k: number): [number, number] {
  const parts = Math.min(Math.ceil((4 * device.threads) / batch), Math.floor((2 * m * n * k) / 4e6));
  if (device.threads === 1 || batch >= 4 * device.threads || parts < 2) return [m, n];
  return m >= n ? [Math.max(12, up(m / parts, 12)), n] : [m, Math.max(16, up(n / parts, 8))];
}

/** C = start + op(A) op(B), for each product of the batch. */
export function multiply(device: Device, product: Product): void {
  const { batch = 1, m, n, k, a, b, c, transposeA = false, transposeB = false, start = 'zero', bias = 0 } = product;
  if (m === 1 && batch === 1 && start !== 'add') {
    const perBlock = Math.max(4, up(262144 / k, 4));
    const kernel = transposeB ? 'vectorTimesRows' : 'vectorTimesMatrix';
    device.run(kernel, blocksOf(n, perBlock), [a, b, c, start === 'bias' ? bias : 0, n, k, perBlock]);
    return;
  }
  const [rows, columns] = tileOf(device, batch, m, n, k);
  const blocks = batch * blocksOf(m, rows) * blocksOf(n, columns);
  const shape = [m, n, k, Number(transposeA), Number(transposeB), rows, columns, m * k, k * n, m * n];
  device.run('matmul', blocks, [a, b, c, bias, starts[start], ...shape], scratchBytes);
}

export const matmul: KernelsOf<'matmul' | 'linear'> = (device) => ({
  matmul: ([a, b], { transposeA, transposeB }, outputs) =>
    device.produce('matmul', outputs, (c) => {
      const { shape } = outputs[0];
      const [m, n] = shape.slice(-2);
      const k = a!.shape[a!.rank - (transposeA ? 2 : 1)];
      const batch = sizeOf(shape.slice(0, -2));
      multiply(device, { batch, m, n, k, a: address(a), b: address(b), c, transposeA, transposeB });
    }),

  linear: ([x, weight, bias], _, outputs) =>
    device.produce('linear', outputs, (c) => {
      const [n, k] = weight!.shape;
      const m = sizeOf(x!.shape) / k;
      const start = bias ? 'bias' : 'zero';
      multiply(device, { m, n, k, a: address(x), b: address(weight), c, transposeB: true, start, bias: address(bias) });
    }),
});
