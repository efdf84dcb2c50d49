import type { KernelTable } from '@linattn/math';
import type { Device } from '../device.ts';
import { elementwise } from './elementwise.ts';
import { linearAttention } from './linear-attention.ts';
import { loss } from './loss.ts';
import { matmul } from './matmul.ts';
import { movement } from './movement.ts';
import { norm } from './norm.ts';
import { reduce } from './reduce.ts';
import { rotary } from './rotary.ts';
import { softmaxAttention } from './softmax-attention.ts';
import { train } from './train.ts';
import { tripleProduct } from './triple-product.ts';
import { weightedLinearCrossEntropy } from './weighted-linear-cross-entropy.ts';

/** Every kernel of this backend: all operations of the contract. */
export const kernelsOf = (device: Device): KernelTable => ({
  ...elementwise(device),
  ...movement(device),
  ...reduce(device),
  ...matmul(device),
  ...norm(device),
  ...rotary(device),
  ...loss(device),
  ...weightedLinearCrossEntropy(device),
  ...linearAttention(device),
  ...softmaxAttention(device),
  ...tripleProduct(device),
  ...train(device),
});
