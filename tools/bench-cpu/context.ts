import type { WasmBackend } from '@linattn/kernels-wasm';
import type { BlasMeter, Ceiling } from './machine.ts';

/** What every group of measurements is given. */
export interface Context {
  readonly threads: number;
  /** Fewer and smaller pieces of work. */
  readonly quick: boolean;
  /** Both builds; plain alone where the engine has no relaxed SIMD. The fastest first. */
  readonly backends: readonly WasmBackend[];
  readonly ceiling?: () => Ceiling;
  readonly blas?: BlasMeter;
  readonly peers: ReadonlySet<string>;
}

export const subjectName = ({ build }: WasmBackend): string =>
  build === 'relaxed' ? 'linattn, relaxed SIMD' : 'linattn, plain SIMD';

export const settings = ({ quick }: Context) => ({ rounds: quick ? 3 : 9, budgetMs: quick ? 2_000 : 10_000 });
