import type { Kernel, LinearAttentionAttributes } from '@linattn/math';
import type { Device } from '../../devices/device.ts';
import { Scratch } from '../../scratch.ts';
import { bufferOf } from '../handles.ts';
import type { Operand } from './call.ts';
import { backward, forward } from './linear-attention.ts';

const operandsOf = (inputs: Parameters<Kernel<LinearAttentionAttributes>>[0]) =>
  inputs.map((input): Operand | undefined => input && { buffer: bufferOf(input), shape: input.shape });

export const linearAttention =
  (device: Device): Kernel<LinearAttentionAttributes> =>
  (inputs, attributes) =>
    Scratch.use(device, (scratch) => forward(scratch, operandsOf(inputs), attributes));

export const linearAttentionBackward =
  (device: Device): Kernel<LinearAttentionAttributes> =>
  (inputs, attributes) =>
    Scratch.use(device, (scratch) => backward(scratch, operandsOf(inputs), attributes));
