/** Attention on numbers that another framework owns: its tensors in, its tensors out, on any backend that computes at once. */
export {
  attendBackward,
  attendForward,
  type HostArray,
  type HostAttention,
  type HostAttentionGradients,
  type HostAttentionInputs,
  type HostAttentionOptions,
} from './attention.ts';
export { SharedBackend } from './shared-backend.ts';
