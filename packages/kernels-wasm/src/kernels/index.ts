import type { KernelTable } from '@linattn/math';
import type { Device } from '../device.ts';
import { elementwise } from './elementwise.ts';
import { linearAttention } from './linear-attention.ts';
import { matmul } from './matmul.ts';
import { movement } from './movement.ts';
import { reduce } from './reduce.ts';

/** Every kernel of this backend. */
export const kernelsOf = (device: Device): KernelTable => ({
  ...elementwise(device),
  ...movement(device),
  ...reduce(device),
  ...matmul(device),
  ...linearAttention(device),
});
