import type { Kernel, OpAttributes } from '@linattn/math';
import type { Device } from '../device.ts';

/** Kernels of some operations, for a device. */
export type Kernels<K extends keyof OpAttributes> = { readonly [Name in K]: Kernel<OpAttributes[Name]> };
export type KernelsOf<K extends keyof OpAttributes> = (device: Device) => Kernels<K>;

/** Number of blocks of `size` that cover n. */
export const blocksOf = (n: number, size: number): number => Math.ceil(n / size);

/** Rows a block so that it holds about `elements` numbers. */
export const rowsPerBlock = (rowLength: number, elements = 16384): number =>
  Math.max(1, Math.floor(elements / rowLength));
