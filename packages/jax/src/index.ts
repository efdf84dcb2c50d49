export { dispose, ready } from './backend.ts';
export {
  type AttentionGradients,
  type AttentionPullback,
  type LinearAttentionOptions,
  linearAttention,
  linearAttentionVjp,
  linearAttentionWithState,
  linearAttentionWithStateVjp,
} from './linear-attention.ts';
export { type Attended, type Attention, type Stages, type ValueAndGrad, valueAndGradThrough } from './through.ts';
