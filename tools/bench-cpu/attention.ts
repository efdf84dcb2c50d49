import type { WasmBackend } from '@linattn/kernels-wasm';
import { linearAttention, scope, type Tensor, tensor, vjp } from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import { type Context, settings, subjectName } from './context.ts';
import { interleave, numbers, type Subject, type Timing } from './measure.ts';
import * as jax from './peers/jax.ts';
import * as tfjs from './peers/tfjs.ts';
import type { Result } from './results.ts';

const heads = 16;
const chunk = 64;

/** Tokens up to which a peer is measured at all: beyond, it takes minutes or runs out of memory. */
const reach = {
  softmax: (width: number) => (width > 64 ? 4096 : 16384),
  jax: (width: number) => (width > 32 ? 4096 : 16384),
  tfjs: 4096,
};
/** Nine tensors (q, k, v, o, their gradients, and what backward holds) must fit 4 GiB, twice: for both builds. */
const mostElements = (3.5 * 2 ** 30) / (9 * 4);

export async function measureAttention(context: Context): Promise<Result[]> {
  const results: Result[] = [];
  const lengths = context.quick ? [1024, 4096] : [256, 1024, 4096, 16384, 65536];
  for (const width of context.quick ? [64] : [32, 64, 128]) {
    for (const tokens of lengths.filter((each) => each * heads * width <= mostElements))
      results.push(...(await measureOne(context, tokens, width)));
  }
  return results;
}

async function measureOne(context: Context, tokens: number, width: number): Promise<Result[]> {
  const size = heads * tokens * width;
  const data = [numbers(size, 3, 0.25 / Math.sqrt(width)), numbers(size, 4), numbers(size, 5), numbers(size, 6)];
  const cleanups: (() => void)[] = [];
  const forward: Subject[] = [];
  const both: Subject[] = [];
  for (const backend of context.backends) {
    const own = onBackend(backend, data, tokens, width);
    forward.push(own.linear.forward);
    both.push(own.linear.both);
    if (tokens <= reach.softmax(width) && backend === context.backends[0]) both.push(own.softmax.both);
    cleanups.push(own.dispose);
  }
  if (context.peers.has('jax') && tokens <= (context.quick ? 4096 : reach.jax(width))) {
    try {
      const problem = jax.attention(heads, tokens, width, chunk, data);
      const inputs = () => problem.inputs.map((input) => input.ref);
      both.push({ name: 'jax-js', run: () => jax.settle(problem.gradients(...inputs())) });
      cleanups.push(() => {
        for (const input of problem.inputs) input.dispose();
      });
    } catch (error) {
      // Its 4 GiB do not hold the inputs: a result like others.
      const run = () => {
        throw error;
      };
      both.push({ name: 'jax-js', run });
    }
  }
  if (context.peers.has('tfjs') && context.threads === 1 && tokens <= reach.tfjs) {
    const problem = tfjs.attention(heads, tokens, width, chunk, data);
    forward.push({ name: 'tfjs-wasm', run: problem.forward });
    both.push({ name: 'tfjs-wasm', run: problem.gradients });
    cleanups.push(problem.dispose);
  }
  const of = (work: string, timings: readonly Timing[]): Result => ({
    group: 'attention',
    work: `attention ${work}, D=${width} N=${tokens}`,
    threads: context.threads,
    timings,
  });
  const results = [
    of('forward', await interleave(forward, settings(context))),
    of('forward + backward', await interleave(both, settings(context))),
  ];
  for (const cleanup of cleanups) cleanup();
  return results;
}

function onBackend(backend: WasmBackend, data: readonly Float32Array[], tokens: number, width: number) {
  const [q, k, v, d] = data.map((values) => tensor(backend, values, [1, tokens, heads, width]));
  const subjects = (name: string, attend: (q: Tensor, k: Tensor, v: Tensor) => Tensor) => ({
    forward: { name, run: () => scope(() => void attend(q, k, v)) },
    both: {
      name,
      run: () =>
        scope(() => {
          const tape = vjp(() => [attend(q, k, v)], [q, k, v]);
          for (const gradient of tape.pullback([d])) gradient.dispose();
        }),
    },
  });
  return {
    linear: subjects(subjectName(backend), (...qkv) => linearAttention(...qkv).output),
    softmax: subjects(`${subjectName(backend)}: softmax, tiled`, (...qkv) => softmaxAttention(...qkv)),
    dispose: () => {
      for (const each of [q, k, v, d]) each.dispose();
    },
  };
}
