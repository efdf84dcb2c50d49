import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { concat, keep, l2Normalize, linearAttention, random, scope, slice, type Tensor, vjp } from '@linattn/math';
import { type Spread, time, timeEach } from './measure.ts';
import { oneHead, relativeError } from './oracle.ts';

export interface Setting {
  readonly batch: number;
  readonly heads: number;
  readonly tokens: number;
  readonly width: number;
  /** Scale q and k inside the operation, instead of giving it scaled ones. */
  readonly normalize?: boolean;
}

export interface Result extends Setting {
  readonly forward: Spread;
  readonly backward: Spread;
  readonly forwardKernels: { name: string; milliseconds: number }[];
  readonly backwardKernels: { name: string; milliseconds: number }[];
  readonly errors?: Readonly<Record<string, number>>;
  readonly forwardPeakMiB: number;
  readonly trainPeakMiB: number;
}

let stream = (Math.random() * 2 ** 32) >>> 0;
/** Standard normal numbers, normalised or not; in parts of the batch, of which one is surely no larger than a binding. */
function draw(backend: WebgpuBackend, [batch, ...rest]: readonly number[], radius = 0): Tensor {
  const part = (): Tensor => {
    const drawn = { shape: [1, ...rest], distribution: 'normal', key: [stream++, 7], stream: [0, 0] } as const;
    const x = random(backend, drawn);
    return radius > 0 ? l2Normalize(x, radius) : x;
  };
  return scope(() => concat(Array.from({ length: batch }, part), 0));
}

/** Times causal attention forward and backward, and checks a head against float64 from the same fresh random inputs. */
export async function benchAttention(
  backend: WebgpuBackend,
  setting: Setting,
  check: boolean,
  budget = 400,
): Promise<Result> {
  const { batch, heads, tokens, width, normalize = false } = setting;
  const shape = [batch, tokens, heads, width];
  const radius = normalize ? 0 : 0.97;
  const inputs = [draw(backend, shape, radius), draw(backend, shape, radius), draw(backend, shape)] as const;
  const [q, k, v] = inputs;
  const options = normalize ? ({ normalize: 'l2', radius: 0.97 } as const) : {};
  const attend = () => linearAttention(q, k, v, options).output;
  const forward = () => scope(() => void attend());
  let errors: Record<string, number> | undefined;
  if (check && !normalize) errors = await errorsOf(backend, setting, inputs);
  await backend.submit();

  backend.trim();
  backend.resetPeak();
  const forwardSpread = await time(backend, forward, { budget });
  const forwardPeakMiB = backend.memory().peakBytes / 2 ** 20;
  const forwardKernels = await timeEach(backend, forward, undefined, budget);

  const dO = draw(backend, shape);
  await backend.submit();
  backend.trim();
  backend.resetPeak();
  let pullback: ((seeds: readonly Tensor[]) => Tensor[]) | undefined;
  let output: Tensor | undefined;
  const prepare = () => {
    const tape = vjp(() => [attend()], inputs);
    [output] = tape.outputs;
    pullback = tape.pullback;
  };
  const backward = () => {
    for (const gradient of pullback!([dO])) gradient.dispose();
    output!.dispose();
  };
  const backwardSpread = await time(backend, backward, { prepare, budget });
  const trainPeakMiB = backend.memory().peakBytes / 2 ** 20;
  const backwardKernels = await timeEach(backend, backward, prepare, budget);
  for (const tensor of [...inputs, dO]) tensor.dispose();
  backend.trim();
  return {
    ...setting,
    forward: forwardSpread,
    backward: backwardSpread,
    forwardKernels,
    backwardKernels,
    errors,
    forwardPeakMiB,
    trainPeakMiB,
  };
}

async function errorsOf(
  backend: WebgpuBackend,
  { batch, heads, tokens, width }: Setting,
  inputs: readonly [Tensor, Tensor, Tensor],
): Promise<Record<string, number>> {
  const dO = draw(backend, [batch, tokens, heads, width]);
  let g: Tensor | undefined;
  const tape = vjp(() => {
    const { output, denominator } = linearAttention(...inputs);
    g = keep(denominator);
    return [output];
  }, inputs);
  const gradients = tape.pullback([dO]);
  const found = [tape.outputs[0], g!, ...gradients];
  const head = async (x: Tensor, b: number, h: number) => {
    const part = scope(() => slice(slice(x, 0, b, b + 1), 2, h, h + 1));
    const values = await part.read();
    part.dispose();
    return values;
  };
  const worst: Record<string, number> = {};
  const samples = [[batch - 1, heads - 1], ...(tokens <= 4096 ? [[0, Math.floor(heads / 2)]] : [])];
  for (const [b, h] of samples) {
    const [q, k, v, d] = await Promise.all([...inputs, dO].map((x) => head(x, b, h)));
    const expected = oneHead(tokens, width, q, k, v, d);
    const values = await Promise.all(found.map((x) => head(x, b, h)));
    (['o', 'g', 'dq', 'dk', 'dv'] as const).forEach((name, i) => {
      worst[name] = Math.max(worst[name] ?? 0, relativeError(values[i], expected[name]));
    });
  }
  for (const tensor of [...found, dO]) tensor.dispose();
  return worst;
}
