import type { KernelTable, Tensor } from '@linattn/math';
import { window } from '../core/kernels.ts';
import { reduceSplits } from '../core/reduce.ts';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { bits } from '../runtime/recorder.ts';
import columnsSource from './columns.wgsl?raw';
import rowsSource from './rows.wgsl?raw';

interface RowOperands {
  readonly y: Buffer;
  readonly mu?: Buffer;
  readonly rstd?: Buffer;
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly dy?: Tensor;
  readonly saved?: Tensor;
}

function rows(gpu: Gpu, op: number, x: Tensor, number: number, operands: RowOperands): void {
  const width = x.shape.at(-1)!;
  const count = x.size / width;
  const read = (tensor?: Tensor) => (tensor ? bufferOf(tensor) : gpu.nothing);
  const spare: Buffer[] = [];
  // A buffer may be bound for writing only once.
  const write = (buffer?: Buffer) => {
    if (buffer) return buffer;
    spare.push(gpu.take('unused', 1));
    return spare.at(-1)!;
  };
  gpu.run(
    { name: 'rows', source: rowsSource, constants: { OP: op } },
    [
      operands.y,
      write(operands.mu),
      write(operands.rstd),
      bufferOf(x),
      read(operands.weight),
      read(operands.bias),
      read(operands.dy),
      read(operands.saved),
    ],
    [count, width, bits(number)],
    gridOf(count, 8),
  );
  gpu.give(...spare);
}

/** Σ dy n and Σ dy over all rows: the gradients of weight and bias. */
function columns(
  gpu: Gpu,
  dy: Tensor,
  x: Tensor,
  mu: Tensor | undefined,
  rstd: Tensor,
): [dWeight: Buffer, dBias: Buffer] {
  const width = x.shape.at(-1)!;
  const count = x.size / width;
  const splits = Math.max(1, Math.min(Math.ceil(count / 64), 512));
  const partial = gpu.take('norm gradients', splits * 2 * width);
  gpu.run(
    { name: 'columns', source: columnsSource, constants: { CENTERED: Number(mu !== undefined) } },
    [partial, bufferOf(dy), bufferOf(x), mu ? bufferOf(mu) : gpu.nothing, bufferOf(rstd)],
    [count, width, splits],
    [Math.ceil(width / 64), splits],
  );
  const both = splits === 1 ? partial : reduceSplits(gpu, partial, splits, 2 * width);
  const cut = (row: number): Buffer => {
    const out = gpu.take('norm gradients', width);
    window(gpu, out, both, { outShape: [1, width], inShape: [2, width], axis: 0, shift: row, place: false });
    return out;
  };
  const gradients: [Buffer, Buffer] = [cut(0), cut(1)];
  gpu.give(partial, both === partial ? undefined : both);
  return gradients;
}

/** Layer norm, RMS norm and l2Normalize, forward and backward. */
export function normalizationKernels(gpu: Gpu): KernelTable {
  const like = (x: Tensor) => gpu.take('normalization', x.size);
  const ofRows = (x: Tensor) => gpu.take('normalization', x.size / x.shape.at(-1)!);
  return {
    layerNorm: ([x, weight, bias], { epsilon }) => {
      const [y, mu, rstd] = [like(x!), ofRows(x!), ofRows(x!)];
      rows(gpu, 0, x!, epsilon, { y, mu, rstd, weight, bias });
      return [y, mu, rstd];
    },
    rmsNorm: ([x, weight], { epsilon }) => {
      const [y, rstd] = [like(x!), ofRows(x!)];
      rows(gpu, 1, x!, epsilon, { y, rstd, weight });
      return [y, rstd];
    },
    l2Normalize: ([x], { radius }) => {
      const y = like(x!);
      rows(gpu, 2, x!, radius, { y });
      return [y];
    },
    layerNormBackward: ([dy, x, weight, mu, rstd]) => {
      const dx = like(x!);
      rows(gpu, 3, x!, 0, { y: dx, rstd: bufferOf(rstd), weight, dy, saved: mu });
      return [dx, ...columns(gpu, dy!, x!, mu, rstd!)];
    },
    rmsNormBackward: ([dy, x, weight, rstd]) => {
      const dx = like(x!);
      rows(gpu, 4, x!, 0, { y: dx, rstd: bufferOf(rstd), weight, dy });
      const [dWeight, dBias] = columns(gpu, dy!, x!, undefined, rstd!);
      gpu.give(dBias);
      return [dx, dWeight];
    },
    l2NormalizeBackward: ([x, dy], { radius }) => {
      const dx = like(x!);
      rows(gpu, 5, x!, radius, { y: dx, dy });
      return [dx];
    },
  };
}
