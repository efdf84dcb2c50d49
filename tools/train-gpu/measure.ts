import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import type { StepResult, TokenArray } from '@linattn/nn';
import { median } from 'bench-gpu/measure.ts';
import { type Setting, start, type Timed } from './model.ts';

export interface Share {
  readonly kernel: string;
  readonly dispatches: number;
  readonly milliseconds: number;
}

export interface Measured extends Setting {
  readonly tokensPerStep: number;
  /** Medians over warm steps: from one loss to the next, on the device, and of the host's recording. */
  readonly stepMilliseconds: number;
  /** The same where each result is waited for before the next step is queued. */
  readonly aloneMilliseconds: number;
  readonly deviceMilliseconds: number;
  readonly hostMilliseconds: number;
  readonly tokensPerSecond: number;
  /** Part of the device's time, kernel by kernel, that attention takes. */
  readonly attentionShare: number;
  readonly kernels: readonly Share[];
  readonly longest: readonly Timed[];
  readonly dispatches: number;
  /** Bytes of all buffers, in use and pooled, and what warm steps added to them. */
  readonly poolBytes: number;
  readonly allocatedWarm: number;
  readonly losses: readonly (readonly [step: number, loss: number])[];
}

/** Kernels that are not attention's own. */
const others =
  /^(matmul|largest|logitGradients|elementwise|binary|reduce|rows|columns|strided|window|indexing|scatter|crossEntropy|linearCrossEntropy|adamW|rotary|random|squaredNorm)/;

/** Steps before anything counts: pipelines compile, buffers are made, clocks rise. */
const warmUp = 6;
const timedSteps = 5;

/** Trains for `steps` steps and measures on the way. Steps are queued one ahead, as a training loop would. */
export async function measure(
  backend: WebgpuBackend,
  tokens: TokenArray,
  setting: Setting,
  steps: number,
  every: number,
): Promise<Measured> {
  const { attention, seqLen, batch } = setting;
  const label = `${attention} N=${seqLen} B=${batch}`;
  const run = start(backend, tokens, setting);
  const { trainer } = run;
  const losses: [number, number][] = [];
  const note = ({ step, loss }: StepResult) => {
    if (step % every === 0 || step === steps - 1) {
      losses.push([step, loss]);
      console.log(`${label}: step ${step}, loss ${loss.toFixed(4)}`);
    }
  };
  // Two steps under way at a time from the start: what that needs of buffers is made here.
  const first = Array.from({ length: warmUp }, () => trainer.step());
  for (const result of first) note(await result);

  const before = backend.memory();
  backend.resetPeak();
  const between: number[] = [];
  const host: number[] = [];
  const record = () => {
    const begun = performance.now();
    const result = trainer.step();
    host.push(performance.now() - begun);
    return result;
  };
  let pending = record();
  let last = performance.now();
  for (let i = warmUp + 1; i < steps; i++) {
    const next = record();
    note(await pending);
    pending = next;
    const now = performance.now();
    between.push(now - last);
    last = now;
  }
  note(await pending);
  const { bytes, pooledBytes, peakBytes } = backend.memory();

  const alone: number[] = [];
  for (let i = 0; i < timedSteps; i++) alone.push((await trainer.step()).milliseconds);
  const whole: number[] = [];
  for (let i = 0; i < timedSteps; i++) whole.push((await run.timeNext(false))[0].milliseconds);
  const each = await run.timeNext(true);
  run.dispose();

  const kernels = new Map<string, { dispatches: number; milliseconds: number }>();
  for (const { name, milliseconds } of each) {
    const sum = kernels.get(name) ?? { dispatches: 0, milliseconds: 0 };
    kernels.set(name, { dispatches: sum.dispatches + 1, milliseconds: sum.milliseconds + milliseconds });
  }
  const shares = [...kernels].map(([kernel, sum]) => ({ kernel, ...sum }));
  shares.sort((x, y) => y.milliseconds - x.milliseconds);
  const sum = (list: readonly { milliseconds: number }[]) => list.reduce((total, each) => total + each.milliseconds, 0);
  const stepMilliseconds = median(between);
  const tokensPerStep = batch * seqLen;
  return {
    ...setting,
    tokensPerStep,
    stepMilliseconds,
    aloneMilliseconds: median(alone),
    deviceMilliseconds: median(whole),
    hostMilliseconds: median(host),
    tokensPerSecond: (1000 * tokensPerStep) / stepMilliseconds,
    attentionShare: sum(shares.filter(({ kernel }) => !others.test(kernel))) / sum(shares),
    kernels: shares,
    longest: each
      .map(({ name, milliseconds }, i) => ({ name: `${i} ${name}`, milliseconds }))
      .sort((x, y) => y.milliseconds - x.milliseconds)
      .slice(0, 20),
    dispatches: each.length,
    poolBytes: bytes + pooledBytes,
    allocatedWarm: peakBytes - before.bytes - before.pooledBytes,
    losses,
  };
}
