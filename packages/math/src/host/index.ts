/** Attention on numbers that another framework owns: its tensors in, its tensors out. */
export {
  type AttentionGradients,
  type AttentionInputs,
  attendBackward,
  attendForward,
  type HostArray,
  type HostAttention,
  type HostAttentionGradients,
  type HostAttentionInputs,
  type HostAttentionOptions,
  linearAttentionBackward,
} from './attention.ts';
export { SharedBackend } from './shared-backend.ts';
