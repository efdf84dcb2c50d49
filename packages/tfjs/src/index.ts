export { dispose, ready } from './backend.ts';
export {
  type LinearAttentionOptions,
  linearAttention,
  linearAttentionWithState,
} from './linear-attention.ts';
