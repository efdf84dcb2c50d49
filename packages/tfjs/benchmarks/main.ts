// Times the adapter against the same attention in operations of TensorFlow.js, quadratic and in chunks, on its own backends.
//   pnpm --filter @linattn/tfjs bench [--quick] [--out FILE]
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { linearAttention, ready } from '@linattn/tfjs';
import { describeMachine } from '@linattn/tools-bench-cpu/machine.ts';
import { numbers, type Subject } from '@linattn/tools-bench-cpu/measure.ts';
import * as peer from '@linattn/tools-bench-cpu/peers/tfjs.ts';
import { interleaveByProcessorTime } from '@linattn/tools-bench-cpu/processor-time.ts';
import * as cpu from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { quadratic } from './quadratic.ts';
import { table } from './table.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: join(import.meta.dirname, 'node.json') },
  },
});

const [heads, width, chunk] = [8, 64, 64];
/** Tokens; and up to how many the N² weights, and the slow JavaScript backend, are measured at all. */
const cases = [
  { framework: 'wasm', lengths: options.quick ? [256] : [256, 1024, 4096], mostQuadratic: 1024 },
  { framework: 'cpu', lengths: options.quick ? [256] : [256], mostQuadratic: 256 },
] as const;
const rounds = options.quick ? { rounds: 2, budgetMs: 500 } : { rounds: 9, budgetMs: 1500 };

/** The adapter, from tensors [B, N, H, D] to tensors, with all copies between the two. */
function adapter(tokens: number, data: readonly Float32Array[]) {
  const [q, k, v, upstream] = data.map((values) => tf.tensor4d(values, [1, tokens, heads, width]));
  const attend = (...[q, k, v]: tf.Tensor[]) => linearAttention(q as tf.Tensor4D, k as tf.Tensor4D, v as tf.Tensor4D);
  const gradients = tf.grads(attend);
  return {
    forward: () => void tf.tidy(() => attend(q, k, v)),
    gradients: () => void tf.tidy(() => gradients([q, k, v], upstream)),
    dispose: () => tf.dispose([q, k, v, upstream]),
  };
}

async function measure(framework: string, tokens: number, mostQuadratic: number) {
  const size = heads * tokens * width;
  // q short enough that no denominator 1 + q·k comes near 0.
  const data = [numbers(size, 3, 0.25 / Math.sqrt(width)), ...[4, 5, 6].map((seed) => numbers(size, seed))];
  const problems = {
    adapter: adapter(tokens, data),
    chunked: peer.attention(heads, tokens, width, chunk, data),
    ...(tokens <= mostQuadratic ? { quadratic: quadratic(heads, tokens, width, data) } : {}),
  };
  const timings = [];
  for (const work of ['forward', 'gradients'] as const) {
    const subjects: Subject[] = Object.entries(problems).map(([name, each]) => ({ name, run: each[work] }));
    const times = await interleaveByProcessorTime(subjects, rounds);
    const own = times[0].median;
    timings.push(
      ...times.map(({ subject, median, best, runs }) => ({
        ...{ framework, tokens, work: work === 'forward' ? 'forward' : 'forward + backward', subject },
        ...{ median, best, runs, ratio: median / own },
      })),
    );
  }
  for (const each of Object.values(problems)) each.dispose();
  return timings;
}

const version = await peer.open();
void cpu.version_cpu;
const backend = await ready({ threads: 1 });
const results = [];
for (const { framework, lengths, mostQuadratic } of cases) {
  await tf.setBackend(framework);
  for (const tokens of lengths) results.push(...(await measure(framework, tokens, mostQuadratic)));
}
console.log(table(results));
const machine = describeMachine();
console.log(
  `${heads} heads of ${width}, one thread each, processor time; ${machine.processor}, Node ${machine.node}, tfjs ${version}`,
);
writeFileSync(options.out, `${JSON.stringify({ machine, tfjs: version, heads, width, chunk, results }, null, 1)}\n`);
await backend.dispose();
