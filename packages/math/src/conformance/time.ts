import type { Backend } from '../backend.ts';
import { scope, unscoped } from '../scope.ts';
import type { OpCase } from './case.ts';
import { recordCase } from './run.ts';

/** Times of one case. Milliseconds. */
export interface CaseTiming {
  readonly name: string;
  readonly backend: string;
  /** Of each repeat: recording, computing, and reading one result back; uploads included. */
  readonly milliseconds: readonly number[];
  readonly median: number;
  readonly minimum: number;
}

/** Times a case, forward and backward: each repeat ends when a result has been read, so that queued work is counted. */
export async function timeCase(
  backend: Backend,
  opCase: OpCase,
  options: { readonly repeats?: number; readonly warmup?: number } = {},
): Promise<CaseTiming> {
  const { repeats = 10, warmup = 2 } = options;
  const milliseconds: number[] = [];
  for (let i = 0; i < warmup + repeats; i++) {
    const start = performance.now();
    const results = Object.values(unscoped(() => scope(() => recordCase(backend, opCase))));
    try {
      // Work is done in order: the last result stands for all.
      await results.at(-1)!.read();
    } finally {
      for (const result of results) result.dispose();
    }
    if (i >= warmup) milliseconds.push(performance.now() - start);
  }
  const sorted = milliseconds.toSorted((x, y) => x - y);
  return {
    name: opCase.name,
    backend: backend.name,
    milliseconds,
    median: sorted[sorted.length >> 1],
    minimum: sorted[0],
  };
}
