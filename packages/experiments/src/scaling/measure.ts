import { type Backend, LinattnError, random, reshape, scope, slice, type Tensor, vjp } from '@linattn/math';
import { formatBytes } from '../frame/format.ts';
import { type Meter, meter } from './meter.ts';
import type { Method } from './methods/index.ts';

export interface LayerShape {
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  readonly headDim: number;
}

export interface Measured {
  /** The best of `runs`: what else the machine does only ever adds to a time. The first, which warms up, is apart unless there is no other. */
  readonly seconds: number;
  readonly median: number;
  readonly runs: number;
  /** Most bytes that tensors held at once, inputs and results included. */
  readonly peakBytes: number;
  /** Numbers held for backward; in `both` only. */
  readonly savedElements?: number;
  /** Tensors that the batch was cut into, where the backend's largest tensor holds no more. All of them are there at once. */
  readonly parts?: number;
}

/** Why there is no number: over the budget of memory or time, or the backend cannot. */
export interface Missing {
  readonly missing: 'memory' | 'time' | 'backend';
  readonly reason: string;
}

export type Pass = 'forward' | 'both';
export type Outcome = Measured | Missing;
export type Point = Readonly<Record<Pass, Outcome>>;

export const isMissing = (outcome: Outcome): outcome is Missing => 'missing' in outcome;

/**
 * `wall`: what a watch says. `processor`: what processors spent on this process, all threads together; on backends that compute on the
 * CPU, and with one thread, it is the time that a machine with nothing else to do would take.
 */
export type Clock = 'wall' | 'processor';

export interface MeasureOptions {
  readonly clock: Clock;
  readonly method: Method;
  readonly shape: LayerShape;
  readonly seed: number;
  readonly memoryBudget: number;
  /** Seconds that one pass may take. */
  readonly timeLimit: number;
  /** The same method at a smaller size. */
  readonly before?: { readonly shape: LayerShape; readonly point: Point };
  readonly report?: (share: number, text: string) => void;
}

/** Times a method's forward pass, and forward and backward together, and counts what they hold. */
export async function measurePoint(backend: Backend, options: MeasureOptions): Promise<Point> {
  const metered = meter(backend, options.memoryBudget);
  const outcomes: Partial<Record<Pass, Outcome>> = {};
  let warm = false;
  for (const [i, pass] of (['forward', 'both'] as const).entries()) {
    options.report?.(i / 2, pass === 'both' ? 'forward and backward' : pass);
    outcomes[pass] = foreseen(pass, options);
    if (outcomes[pass]) continue;
    if (!warm) await warmUp(metered, options);
    warm = true;
    outcomes[pass] = await measurePass(metered, pass, options);
  }
  return outcomes as Point;
}

/** Tokens of the pass that warms up. */
const fewTokens = 256;

/**
 * Runs both passes on one row of few tokens: backends that compile their kernels take seconds for that, which are no part of a size's time
 * and say nothing about a larger size's.
 */
async function warmUp({ backend }: Meter, { method, shape, seed, clock }: MeasureOptions): Promise<void> {
  const small = { ...shape, batch: 1, tokens: Math.min(shape.tokens, fewTokens) };
  const inputs: Tensor[] = [];
  try {
    inputs.push(...drawInputs(backend, small, [seed, 0]));
    await timed(() => runBoth(method, [inputs]), clock);
  } catch (error) {
    // What cannot be done is told of the size itself.
    if (!(error instanceof LinattnError)) throw error;
  } finally {
    for (const input of inputs) input.dispose();
  }
}

/** What the smaller size lets expect, where it need not be tried. */
function foreseen(pass: Pass, { method, shape, timeLimit, memoryBudget, before }: MeasureOptions): Missing | undefined {
  if (!before) return undefined;
  const smaller = before.point[pass];
  if (isMissing(smaller)) {
    // A larger one cannot do better; what the backend cannot do is worth its own words.
    return smaller.missing === 'backend'
      ? undefined
      : { ...smaller, reason: `as at the size before: ${smaller.reason.replace(/^as at the size before: /, '')}` };
  }
  const growth = method.work(shape.tokens, shape.headDim) / method.work(before.shape.tokens, before.shape.headDim);
  const seconds = smaller.seconds * growth;
  if (seconds <= timeLimit) return undefined;
  // It will not be tried: memory, which is sure to grow, may be the harder limit.
  const bytes = smaller.peakBytes * memoryGrowth(method, before.shape, shape);
  if (bytes > memoryBudget) {
    return {
      missing: 'memory',
      reason: `${formatBytes(bytes)} foreseen, over the budget of ${formatBytes(memoryBudget)}`,
    };
  }
  return { missing: 'time', reason: `about ${Math.round(seconds)} s foreseen, over the limit of ${timeLimit} s` };
}

const memoryGrowth = ({ expected }: Method, from: LayerShape, to: LayerShape): number =>
  (to.tokens / from.tokens) ** expected.N.memory * (to.headDim / from.headDim) ** expected.D.memory;

/** Runs beyond the first end after this many, or after this many seconds. */
const most = { runs: 7, seconds: 3 };

/** As one tensor, or cut where the backend's limits ask for it: first into the batch's rows, then heads. */
async function measurePass(metered: Meter, pass: Pass, options: MeasureOptions): Promise<Outcome> {
  const before = options.before?.point[pass];
  const least = before && !isMissing(before) ? (before.parts ?? 1) : 1;
  const cuts = cutsOf(options.shape).filter(({ parts }) => parts >= least);
  for (const [i, cut] of cuts.entries()) {
    try {
      return await measureParts(metered, pass, options, cut);
    } catch (error) {
      if (!(error instanceof LinattnError)) throw error;
      if (error.code === 'LIMIT' && i < cuts.length - 1) continue;
      const missing = ['MEMORY_BUDGET', 'OUT_OF_MEMORY'].includes(error.code) ? 'memory' : 'backend';
      return { missing, reason: error.message };
    }
  }
  throw new RangeError('a shape without rows or heads');
}

/** What each of `parts` equal tensors holds. */
interface Cut {
  readonly parts: number;
  readonly batch: number;
  readonly heads: number;
}

const divisors = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1).filter((i) => n % i === 0);

const cutsOf = ({ batch, heads }: LayerShape): Cut[] => [
  ...divisors(batch).map((parts) => ({ parts, batch: batch / parts, heads })),
  ...divisors(heads)
    .slice(1)
    .map((parts) => ({ parts: batch * parts, batch: 1, heads: heads / parts })),
];

async function measureParts(metered: Meter, pass: Pass, options: MeasureOptions, cut: Cut): Promise<Measured> {
  const { method, shape, seed, timeLimit, clock } = options;
  const parts: Tensor[][] = [];
  try {
    for (let i = 0; i < cut.parts; i++) {
      parts.push(drawInputs(metered.backend, { ...shape, batch: cut.batch, heads: cut.heads }, [seed, i]));
    }
    const run = () => (pass === 'forward' ? runForward(method, parts) : runBoth(method, parts));
    metered.reset();
    const first = await timed(run, clock);
    const { peakBytes } = metered;
    const times: number[] = [];
    let spent = 0;
    while (times.length < most.runs && spent < Math.min(most.seconds, timeLimit) && first.seconds + spent < timeLimit) {
      const began = performance.now();
      times.push((await timed(run, clock)).seconds);
      spent += (performance.now() - began) / 1000;
    }
    const counted = times.length > 0 ? times : [first.seconds];
    return {
      seconds: Math.min(...counted),
      median: median(counted),
      runs: times.length,
      peakBytes,
      ...(first.savedElements !== undefined && { savedElements: first.savedElements }),
      ...(cut.parts > 1 && { parts: cut.parts }),
    };
  } finally {
    for (const input of parts.flat()) input.dispose();
  }
}

/** q, k, v, and the gradient that flows into o. */
const drawInputs = (
  backend: Backend,
  { batch, tokens, heads, headDim }: LayerShape,
  key: readonly [number, number],
): Tensor[] =>
  scope(() =>
    [0, 1, 2, 3].map((stream) =>
      random(backend, { shape: [batch, tokens, heads, headDim], distribution: 'normal', key, stream: [stream, 0] }),
    ),
  );

interface Run {
  /** One number of each result: reading it waits for the work. */
  readonly probes: readonly Tensor[];
  readonly savedElements?: number;
}

const probe = (x: Tensor): Tensor => slice(reshape(x, [x.size]), 0, x.size - 1, x.size);

function runForward({ attend }: Method, parts: readonly Tensor[][]): Run {
  return scope(() => {
    const outputs = parts.map(([q, k, v]) => attend(q, k, v));
    return { probes: outputs.map(probe) };
  });
}

function runBoth({ attend }: Method, parts: readonly Tensor[][]): Run {
  return scope(() => {
    const inputs = parts.flatMap(([q, k, v]) => [q, k, v]);
    const { savedElements, pullback } = vjp(() => parts.map(([q, k, v]) => attend(q, k, v)), inputs);
    const saved = savedElements();
    const gradients = pullback(parts.map(([, , , dO]) => dO));
    const probes = gradients.map(probe);
    for (const gradient of gradients) gradient.dispose();
    return { probes, savedElements: saved };
  });
}

/** Seconds since some moment. */
function now(clock: Clock): number {
  if (clock === 'wall') return performance.now() / 1000;
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function timed(run: () => Run, clock: Clock): Promise<{ seconds: number; savedElements?: number }> {
  const start = now(clock);
  const { probes, savedElements } = run();
  try {
    for (const each of probes) await each.read();
  } finally {
    for (const each of probes) each.dispose();
  }
  return { seconds: now(clock) - start, savedElements };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
