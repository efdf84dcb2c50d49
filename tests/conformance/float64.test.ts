import type { KernelTable } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { conformanceSuite } from './suite.ts';

// The reference's own kernels against the compositions that every new backend starts from.
conformanceSuite('float64 composed', () => {
  const backend = float64Backend();
  const { linearAttention, linearAttentionBackward, tripleProduct, ...core } = backend.kernels;
  return Object.assign(backend, { kernels: core satisfies KernelTable });
});
