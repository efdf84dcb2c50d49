import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type BatchSource, type TrainableModel, Trainer, type TrainerState } from '@linattn/nn';
import { loadCheckpoint, saveCheckpoint } from '@linattn/nn/node';
import type { TaskContext } from '../frame/experiment.ts';

/** A point of a learning curve. */
export interface CurvePoint {
  readonly step: number;
  readonly loss: number;
  /** Spent on steps up to here; validation is not counted. */
  readonly seconds: number;
}

export interface Curve {
  /** Means of neighbouring steps. */
  readonly training: readonly CurvePoint[];
  readonly validation: readonly CurvePoint[];
  readonly tokens: number;
  readonly seconds: number;
}

export interface TrainingPlan {
  readonly batchSize: number;
  readonly seqLen: number;
  readonly steps: number;
  /** At its highest; it rises over a hundredth of the steps, and falls to a tenth by a cosine. */
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly seed: number;
  /** Validations, evenly over the run; the last one is at its end. */
  readonly evaluations: number;
}

/** Seconds between checkpoints. */
const saveEvery = 60;
/** Points that a curve keeps. */
const mostPoints = 200;

/** What a checkpoint holds beside the model. */
interface Progress {
  readonly training: CurvePoint[];
  readonly validation: CurvePoint[];
  tokens: number;
}

/**
 * Trains a model from its first step, or from where a former attempt in `context.folder` was stopped: to the last bit the same run, on
 * backends that compute on the CPU. The folder is removed in the end.
 */
export async function train(
  model: TrainableModel,
  data: { readonly training: BatchSource; readonly validation: BatchSource },
  plan: TrainingPlan,
  context: Pick<TaskContext, 'folder' | 'pause' | 'report'>,
): Promise<Curve> {
  const { batchSize, seqLen, steps, learningRate, weightDecay, seed, evaluations } = plan;
  const settings = { batchSize, seqLen, steps, learningRate, weightDecay, seed };
  const trainer = new Trainer({ ...settings, model, data: data.training });
  try {
    const progress = await resume(trainer, context.folder);
    const save = async () => saveCheckpoint(context.folder, await trainer.state(), progress);
    let saved = performance.now();
    const evaluates = (done: number) =>
      Math.floor((done * evaluations) / steps) > Math.floor(((done - 1) * evaluations) / steps);
    const saves = () => performance.now() - saved > saveEvery * 1000;
    let stopped: { readonly reason: unknown } | undefined;
    const pause = (done: number) => evaluates(done) || saves() || stopped !== undefined;
    for await (const { step, loss, tokens, milliseconds } of trainer.train({ pause })) {
      const done = step + 1;
      const seconds = (progress.training.at(-1)?.seconds ?? 0) + milliseconds / 1000;
      progress.training.push({ step, loss, seconds });
      progress.tokens += tokens;
      if (evaluates(done)) {
        progress.validation.push({ step: done, loss: (await trainer.evaluate(data.validation)).loss, seconds });
      }
      context.report(done / steps, `step ${done} of ${steps}  loss ${loss.toFixed(3)}`);
      if (done < steps) await context.pause().catch((reason: unknown) => (stopped = { reason }));
      // With a step under way, the model is not the one of these losses.
      if (trainer.steps > done || !(stopped || saves())) continue;
      await save();
      saved = performance.now();
      if (stopped) throw stopped.reason;
    }
    await rm(context.folder, { recursive: true, force: true });
    const { training, validation, tokens } = progress;
    return { training: thin(training), validation, tokens, seconds: training.at(-1)?.seconds ?? 0 };
  } finally {
    trainer.dispose();
  }
}

async function resume(trainer: Trainer, folder: string): Promise<Progress> {
  if (!(await stat(join(folder, 'checkpoint.json')).catch(() => undefined))) {
    return { training: [], validation: [], tokens: 0 };
  }
  const { state, extra }: { state: TrainerState; extra: unknown } = await loadCheckpoint(folder);
  trainer.restore(state);
  return extra as Progress;
}

/** Means of as many neighbours as leave `mostPoints`. */
function thin(points: readonly CurvePoint[]): CurvePoint[] {
  const width = Math.max(1, Math.ceil(points.length / mostPoints));
  return Array.from({ length: Math.ceil(points.length / width) }, (_, i) => {
    const group = points.slice(i * width, (i + 1) * width);
    const last = group.at(-1)!;
    return { ...last, loss: group.reduce((sum, { loss }) => sum + loss, 0) / group.length };
  });
}
