// Times the adapter against the same attention in operations of jax-js, quadratic and in chunks, each compiled with its gradient.
//   pnpm --filter @linattn/jax bench [--quick] [--out FILE]
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from '@linattn/tools-bench-cpu/machine.ts';
import { numbers, type Subject } from '@linattn/tools-bench-cpu/measure.ts';
import { offerThreads } from '@linattn/tools-bench-cpu/peers/worker-shim.ts';
import { interleaveByProcessorTime } from '@linattn/tools-bench-cpu/processor-time.ts';
import { table } from './table.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: join(import.meta.dirname, 'node.json') },
  },
});

// jax-js looks for threads when it is imported.
offerThreads(1);
const { grad, jit, numpy: np } = await import('@jax-js/jax');
type JaxArray = import('@jax-js/jax').Array;
const peer = await import('@linattn/tools-bench-cpu/peers/jax.ts');
const { linearAttentionVjp, ready } = await import('@linattn/jax');

const [heads, width, chunk] = [8, 64, 64];
const lengths = options.quick ? [256] : [256, 1024, 4096];
const mostQuadratic = 1024;
const rounds = options.quick ? { rounds: 2, budgetMs: 500 } : { rounds: 9, budgetMs: 1500 };

interface Problem {
  readonly run: () => Promise<void>;
  readonly dispose: () => void;
}

const upload = (data: readonly Float32Array[], shape: readonly number[]) =>
  data.map((values) => peer.upload(values, shape));
const free = (arrays: readonly JaxArray[]) => {
  for (const each of arrays) each.dispose();
};

/** From arrays [B, N, H, D] to arrays, with all copies between the two. */
function adapter(tokens: number, data: readonly Float32Array[]): Problem {
  const inputs = upload(data, [1, tokens, heads, width]);
  return {
    run: () => {
      const [q, k, v, upstream] = inputs.map((each) => each.ref);
      const [o, pull] = linearAttentionVjp(q, k, v);
      o.dispose();
      const { q: dq, k: dk, v: dv } = pull(upstream);
      return peer.settle([dq, dk, dv]);
    },
    dispose: () => free(inputs),
  };
}

function chunked(tokens: number, data: readonly Float32Array[]): Problem {
  const { inputs, gradients } = peer.attention(heads, tokens, width, chunk, data);
  return { run: () => peer.settle(gradients(...inputs.map((each) => each.ref))), dispose: () => free(inputs) };
}

/** All N² weights: q, k, v [H, N, D]. */
function quadratic(tokens: number, data: readonly Float32Array[]): Problem {
  const inputs = [...upload(data, [heads, tokens, width]), np.tri(tokens, tokens)];
  const loss = (q: JaxArray, k: JaxArray, v: JaxArray, upstream: JaxArray, mask: JaxArray) => {
    const weights = np
      .matmul(q, np.swapaxes(k, -1, -2))
      .add(1)
      .mul(mask);
    return np
      .matmul(weights.ref, v)
      .div(weights.sum(-1, { keepdims: true }))
      .mul(upstream)
      .sum();
  };
  const gradients = jit(grad(loss, { argnums: [0, 1, 2] })) as unknown as (...inputs: JaxArray[]) => JaxArray[];
  return { run: () => peer.settle(gradients(...inputs.map((each) => each.ref))), dispose: () => free(inputs) };
}

async function measure(tokens: number) {
  const size = heads * tokens * width;
  // q short enough that no denominator 1 + q·k comes near 0.
  const data = [numbers(size, 3, 0.25 / Math.sqrt(width)), ...[4, 5, 6].map((seed) => numbers(size, seed))];
  const problems: Record<string, Problem> = {
    adapter: adapter(tokens, data),
    chunked: chunked(tokens, data),
    ...(tokens <= mostQuadratic ? { quadratic: quadratic(tokens, data) } : {}),
  };
  const subjects: Subject[] = Object.entries(problems).map(([name, { run }]) => ({ name, run }));
  const times = await interleaveByProcessorTime(subjects, rounds);
  for (const { dispose } of Object.values(problems)) dispose();
  return times.map(({ subject, median, best, runs }) => ({
    ...{ tokens, work: 'forward + backward', subject, median, best, runs },
    ...{ ratio: median / times[0].median },
  }));
}

const backend = await ready({ threads: 1 });
const results = [];
for (const tokens of lengths) results.push(...(await measure(tokens)));
console.log(table(results));
const machine = describeMachine();
console.log(
  `${heads} heads of ${width}, one thread each, processor time; ${machine.processor}, Node ${machine.node}, jax-js 0.1.25`,
);
writeFileSync(options.out, `${JSON.stringify({ machine, jax: '0.1.25', heads, width, chunk, results }, null, 1)}\n`);
await backend.dispose();
