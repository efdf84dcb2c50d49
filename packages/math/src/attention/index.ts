/**
 * Attention with the polynomial kernel f(x) = a + b x + c x² over plain Float64Arrays, in every form of the same numbers: the
 * O(N²) definition, the factorised form and its analytic gradient, and the recurrent form. To read, to teach and to test with;
 * training goes through `linearAttention` on a Backend.
 */
export { factorisedBackward } from './backward.ts';
export { factorised } from './factorised.ts';
export { naive, naiveBackward } from './naive.ts';
export { type NdArray, ndarray } from './ndarray.ts';
export type { AttentionOptions } from './problem.ts';
export { absorb, emptyState, look, type StepOptions, step } from './recurrent.ts';
export type { AttentionGradients, AttentionResult, OutputGradients } from './result.ts';
