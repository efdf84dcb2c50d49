export * from './affine.ts';
export * from './attention-conventions.ts';
export * from './attributes.ts';
export { add, div, eq, ge, maximum, minimum, mul, sub } from './binary.ts';
export * from './extremum.ts';
export * from './fill.ts';
export * from './gather.ts';
export * from './l2-normalize.ts';
export * from './linear.ts';
export {
  checkDenominator,
  type KernelOptions,
  type LinearAttentionOptions,
  type LinearAttentionResult,
  linearAttention,
} from './linear-attention.ts';
export { type MaskOptions, resolveMask, sees } from './mask.ts';
export * from './matmul.ts';
export * from './movement.ts';
export * from './random.ts';
export { broadcastTo, mean, sum, sumTo } from './reduce.ts';
export * from './triple-product.ts';
export * from './unary.ts';
