import { type Backend, broadcastTo, scope, type Tensor, tensor } from '@linattn/math';
import { noisyAttention } from '../noisy-attention.ts';
import type { DropoutOptions } from '../options.ts';
import { type AttentionProblem, explicitAttention } from './problem.ts';
import { SampleMoments } from './sample.ts';

const drawsAtOnce = 250;

/** Moments of what `noisyAttention` gives for a problem, on any backend: the draws are batch elements. */
export async function measureNoise(
  backend: Backend,
  problem: AttentionProblem,
  dropout: DropoutOptions,
  draws: number,
): Promise<SampleMoments> {
  const { tokens, headDim, radius, mask } = problem;
  const moments = new SampleMoments(explicitAttention(problem).output, headDim);
  for (let step = 0; step * drawsAtOnce < draws; step++) {
    const batch = Math.min(drawsAtOnce, draws - step * drawsAtOnce);
    const output = scope((): Tensor => {
      const [q, k, v] = [problem.q, problem.k, problem.v].map((values) =>
        broadcastTo(tensor(backend, values, [1, tokens, 1, headDim]), [batch, tokens, 1, headDim]),
      );
      return noisyAttention(q, k, v, { ...mask, normalize: 'l2', radius }, { ...dropout, step }).output;
    });
    moments.add(await output.read());
    output.dispose();
  }
  return moments;
}
