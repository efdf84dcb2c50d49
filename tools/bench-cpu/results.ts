import type { Timing } from './measure.ts';

/** One measured piece of work. */
export interface Result {
  readonly group: 'matmul' | 'attention' | 'training' | 'decoding' | 'memory';
  readonly work: string;
  readonly threads: number;
  readonly timings: readonly Timing[];
  /** Floating-point operations, where GFLOP/s make sense. */
  readonly flop?: number;
  /** GFLOP/s beside: OpenBLAS, and the machine's ceilings at that moment. */
  readonly beside?: Readonly<Record<string, number>>;
  /** Tokens a run, where tokens/s make sense. */
  readonly tokens?: number;
  readonly notes?: readonly string[];
  /** What a subject's process grew by at most. */
  readonly memory?: readonly { readonly subject: string; readonly mebibytes: number }[];
}

export interface Ratio {
  readonly what: string;
  readonly ratio: number;
  readonly wanted?: number;
}

const digits = (x: number): string => (x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2));

/** A result as lines for people. */
export function describeResult({
  work,
  threads,
  timings,
  flop,
  beside,
  tokens,
  notes = [],
  memory = [],
}: Result): string {
  const lines = timings.map(({ subject, median, best, first, failed }) => {
    if (failed) return `    ${subject.padEnd(22)} failed: ${failed.slice(0, 100)}`;
    const rate = flop
      ? `  ${digits(flop / median / 1e6)} GFLOP/s`
      : tokens
        ? `  ${digits((1e3 * tokens) / median)} tokens/s`
        : '';
    const compiled = first > 3 * median + 20 ? `  (first ${digits(first)})` : '';
    return `    ${subject.padEnd(22)} ${digits(median).padStart(8)} ms, best ${digits(best)}${rate}${compiled}`;
  });
  const others = Object.entries(beside ?? {}).map(
    ([name, rate]) => `    ${name.padEnd(22)} ${digits(rate).padStart(8)} GFLOP/s`,
  );
  return [
    `  ${work}, ${threads} thread${threads > 1 ? 's' : ''}`,
    ...lines,
    ...others,
    ...memory.map(({ subject, mebibytes }) => `    ${subject.padEnd(22)} ${digits(mebibytes).padStart(8)} MiB`),
    ...notes.map((note) => `    ${note}`),
  ].join('\n');
}

const ours = /^linattn/;

/** How many times faster our best build is than each peer, at every piece of work. */
export function ratiosOf(results: readonly Result[]): Ratio[] {
  const ratios: Ratio[] = [];
  for (const { work, threads, timings, flop, beside, memory = [] } of results) {
    for (const { subject, mebibytes } of memory.slice(1)) {
      const what = `${subject} / linattn, ${work}, ${threads} thread${threads > 1 ? 's' : ''}`;
      ratios.push({ what, ratio: mebibytes / memory[0].mebibytes, wanted: 4 });
    }
    const own = timings.find(({ subject, failed }) => ours.test(subject) && !subject.includes('softmax') && !failed);
    if (!own) continue;
    const at = `${work}, ${threads} thread${threads > 1 ? 's' : ''}`;
    for (const { subject, median, failed } of timings) {
      if (failed || ours.test(subject) !== subject.includes('softmax')) continue;
      ratios.push({
        what: `${subject} / ${own.subject}, ${at}`,
        ratio: median / own.median,
        wanted: wantedOver(subject, work, threads),
      });
    }
    if (!flop) continue;
    for (const { subject, median, failed } of timings) {
      const build = /plain SIMD/.test(subject) ? 'ceiling, mul + add' : 'ceiling, fused';
      const ceiling = beside?.[build];
      if (!ours.test(subject) || failed || !ceiling) continue;
      const batched = /x 64/.test(work);
      ratios.push({
        what: `${subject} / ${build}, ${at}`,
        ratio: flop / median / 1e6 / ceiling,
        wanted: batched || threads > 1 ? undefined : 0.8,
      });
    }
  }
  return [...ratios, ...linearity(results)];
}

/** Time a token at 4,096 tokens over time a token at 65,536: 1 where time is linear. */
function linearity(results: readonly Result[]): Ratio[] {
  return results.flatMap((long) => {
    if (!/^attention.* N=65536$/.test(long.work)) return [];
    const short = results.find(
      ({ work, threads }) => work === long.work.replace('N=65536', 'N=4096') && threads === long.threads,
    );
    return long.timings.flatMap(({ subject, median }) => {
      const other = short?.timings.find((timing) => timing.subject === subject);
      if (!other || !Number.isFinite(median / other.median)) return [];
      const what = `${subject}: ${long.work.replace(' N=65536', '')}, time a token at 4,096 / at 65,536, ${long.threads} thread(s)`;
      return [{ what, ratio: (16 * other.median) / median, wanted: 0.9 }];
    });
  });
}

/** What the project set itself to reach. */
function wantedOver(subject: string, work: string, threads: number): number | undefined {
  if (work.startsWith('matmul')) {
    if (subject === 'jax-js') return 1.5;
    if (subject.startsWith('gpu.js')) return 10;
    if (subject === 'tfjs-wasm') return / NN$/.test(work) ? 1.2 : 10;
  }
  if (work === 'attention forward + backward, D=64 N=4096') {
    if (subject === 'jax-js') return threads === 1 ? 8 : 9;
    if (subject === 'tfjs-wasm') return 20;
    if (subject.includes('softmax')) return 15;
  }
  if (subject.includes('softmax') && /N=16384/.test(work) && /D=64/.test(work)) return 60;
  if (subject.includes('softmax') && /N=256$/.test(work) && !/D=128/.test(work)) return 1;
  if (work.startsWith('training') && subject === 'jax-js') return 2;
  return undefined;
}

/** All ratios, those furthest below what is wanted last. */
export function describeRatios(ratios: readonly Ratio[]): string {
  const margin = ({ ratio, wanted }: Ratio) => (wanted ? ratio / wanted : Number.POSITIVE_INFINITY);
  return [...ratios]
    .sort((x, y) => margin(y) - margin(x) || y.ratio - x.ratio)
    .map(({ what, ratio, wanted }) => {
      const verdict = wanted ? ` (wanted ${wanted}${ratio < wanted ? ': NOT reached' : ''})` : '';
      return `  ${digits(ratio).padStart(7)}  ${what}${verdict}`;
    })
    .join('\n');
}
