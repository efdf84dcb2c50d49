import type { KernelTable } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import { adamW } from './adamw.ts';
import { linearAttention, linearAttentionBackward } from './attention/index.ts';
import type { ArrayLimits } from './attention/plan.ts';
import { crossEntropy, crossEntropyBackward } from './cross-entropy.ts';
import { affine, binary, fill, unary } from './elementwise.ts';
import { gather, oneHot, scatterAdd } from './gather.ts';
import { l2Normalize, l2NormalizeBackward } from './l2-normalize.ts';
import { linear, matmul } from './matmul.ts';
import { broadcast, concat, pad, slice, transpose } from './movement.ts';
import { layerNorm, layerNormBackward, rmsNorm, rmsNormBackward } from './normalization.ts';
import { reduce } from './reduce.ts';
import { rotary } from './rotary.ts';

/** The operations that have kernels of their own; @linattn/math composes all others of these. */
export const kernelsOn = (device: Device, attentionLimits?: ArrayLimits): KernelTable => ({
  fill: fill(device),
  unary: unary(device),
  binary: binary(device),
  affine: affine(device),
  broadcast: broadcast(device),
  reduce: reduce(device),
  matmul: matmul(device),
  transpose: transpose(device),
  slice: slice(device),
  pad: pad(device),
  concat: concat(device),
  gather: gather(device),
  scatterAdd: scatterAdd(device),
  oneHot: oneHot(device),
  linear: linear(device),
  rotary: rotary(device),
  layerNorm: layerNorm(device),
  layerNormBackward: layerNormBackward(device),
  rmsNorm: rmsNorm(device),
  rmsNormBackward: rmsNormBackward(device),
  crossEntropy: crossEntropy(device),
  crossEntropyBackward: crossEntropyBackward(device),
  adamW: adamW(device),
  l2Normalize: l2Normalize(device),
  l2NormalizeBackward: l2NormalizeBackward(device),
  linearAttention: linearAttention(device, attentionLimits),
  linearAttentionBackward: linearAttentionBackward(device, attentionLimits),
});
