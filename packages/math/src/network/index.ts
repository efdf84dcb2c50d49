/**
 * What a network around attention is made of, each one operation so that a backend may have a kernel for it: norms, rotary
 * positions, softmax attention to compare with, cross entropy, AdamW and the norm that it clips by.
 */
export * from './adamw.ts';
export * from './cross-entropy.ts';
export * from './normalization.ts';
export * from './rotary.ts';
export * from './softmax-attention.ts';
export * from './squared-norm.ts';
