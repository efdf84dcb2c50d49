import {
  type Backend,
  concat,
  fill,
  indices,
  LinattnError,
  reshape,
  scope,
  type Tensor,
  tensor,
  valueAndGrad,
} from '@linattn/math';
import { readAll } from '../checkpoint/weights.ts';
import type { LossOptions } from '../models/gpt-neox.ts';
import { AdamW, type AdamWOptions, clipScale, globalNorm } from './adamw.ts';
import { type Batch, type BatchSource, checkIds } from './data.ts';
import { type Schedule, warmupCosine } from './schedule.ts';
import { assignAll, checkConfigs, checkMatch, type TrainerState } from './state.ts';

/** What the trainer asks of a model. */
export interface TrainableModel {
  readonly backend: Backend;
  readonly config: { readonly vocabSize: number };
  readonly parameters: ReadonlyMap<string, Tensor>;
  loss(tokens: Tensor, targets: Tensor, options?: LossOptions): Tensor;
}

export interface TrainerOptions extends AdamWOptions {
  readonly model: TrainableModel;
  readonly data: BatchSource;
  /** Rows a batch. */
  readonly batchSize: number;
  /** Tokens a row. */
  readonly seqLen: number;
  /** Steps planned: the schedule and the dropout's decay go by them. */
  readonly steps: number;
  /** Peak learning rate, or a schedule of your own. Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Steps of linear rise; default a hundredth of all. */
  readonly warmup?: number;
  /** Largest length of all gradients together; 0 for no clipping. Default 1. */
  readonly clip?: number;
  /** Seed of the dropout. Default 0. */
  readonly seed?: number;
}

export interface StepResult {
  /** From 0. */
  readonly step: number;
  /** Nats a token, before the update. */
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens in the batch. */
  readonly tokens: number;
  readonly milliseconds: number;
}

/** The loss became NaN or infinite; the parameters can no longer be trusted. */
export class DivergedError extends LinattnError {
  constructor(step: number, loss: number) {
    super(
      'DIVERGED',
      `step ${step}: the loss is ${loss}; lower the learning rate, or clip, or go back to a checkpoint`,
      {
        argument: 'loss',
        given: loss,
        expected: `a finite loss at step ${step}`,
      },
    );
  }
}

/** Trains a model, a step at a time. */
export class Trainer {
  readonly options: TrainerOptions;
  readonly optimizer: AdamW;
  readonly #schedule: Schedule;
  #step = 0;

  constructor(options: TrainerOptions) {
    const { model, learningRate = 1e-3, steps, warmup = Math.ceil(steps / 100) } = options;
    this.options = options;
    this.optimizer = new AdamW(model.parameters, options);
    this.#schedule =
      typeof learningRate === 'function' ? learningRate : warmupCosine({ peak: learningRate, warmup, steps });
  }

  /** The next step's number: how many are done. */
  get steps(): number {
    return this.#step;
  }

  /**
   * One update. All work is queued before the first wait, so a caller may start the next step before this one's loss is read.
   * @throws DivergedError when the loss is not finite.
   */
  async step(): Promise<StepResult> {
    const started = performance.now();
    const { model, data, batchSize, seqLen, steps, clip = 1, seed = 0 } = this.options;
    const step = this.#step;
    const batch = data.batch(step, batchSize, seqLen);
    if (!batch) throw new RangeError(`no batch ${step}`);
    const learningRate = this.#schedule(step);
    const report = scope(() => {
      const { value, gradients } = valueAndGrad(
        () => this.#loss(batch, { training: true, step, progress: Math.min(1, step / steps), seed }),
        [...model.parameters.values()],
      );
      const norm = globalNorm(gradients);
      const scale = clip > 0 ? clipScale(norm, clip) : fill(model.backend, [], 1);
      this.optimizer.step(gradients, learningRate, scale);
      for (const gradient of gradients) gradient.dispose();
      return concat([reshape(value, [1]), reshape(norm, [1])], 0);
    });
    this.#step++;
    const [loss, gradientNorm] = await report.read();
    report.dispose();
    if (!Number.isFinite(loss)) throw new DivergedError(step, loss);
    return {
      step,
      loss,
      gradientNorm,
      learningRate,
      tokens: batch.tokens.length,
      milliseconds: performance.now() - started,
    };
  }

  /** Mean loss over all batches of a finite source, by tokens. */
  async evaluate(data: BatchSource): Promise<{ loss: number; tokens: number }> {
    const { batchSize, seqLen } = this.options;
    let total = 0;
    let tokens = 0;
    for (let index = 0, batch: Batch | undefined; (batch = data.batch(index, batchSize, seqLen)); index++) {
      const value = scope(() => this.#loss(batch!, {}));
      const weight = batch.weights ? batch.weights.reduce((sum, w) => sum + w, 0) : batch.targets.length;
      total += (await value.item()) * weight;
      tokens += weight;
      value.dispose();
    }
    return { loss: total / tokens, tokens };
  }

  #loss({ tokens, targets, shape, weights, prefix }: Batch, options: LossOptions): Tensor {
    const { backend, config } = this.options.model;
    checkIds('tokens', tokens, config.vocabSize);
    checkIds('targets', targets, config.vocabSize);
    return this.options.model.loss(indices(backend, tokens, shape), indices(backend, targets, shape), {
      ...options,
      prefix,
      weights: weights && tensor(backend, weights, shape),
    });
  }

  /** Copies the run to the host: between two steps, all of it. */
  async state(): Promise<TrainerState> {
    const { model, data: _, ...settings } = this.options;
    const step = this.#step;
    const moments = (which: 0 | 1) => [...this.optimizer.moments].map(([name, pair]) => [name, pair[which]] as const);
    return {
      step,
      config: model.config,
      settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => typeof value === 'number')),
      parameters: await readAll(model.parameters),
      moment1: await readAll(moments(0)),
      moment2: await readAll(moments(1)),
    };
  }

  /**
   * Goes on from a state: parameters, moments and step are replaced, or none where something does not fit.
   * @throws MismatchError for a state of another model.
   */
  restore(state: TrainerState): void {
    const { parameters, config } = this.options.model;
    const { moments } = this.optimizer;
    checkConfigs(state.config, config);
    checkMatch('parameter', state.parameters, parameters);
    checkMatch('moment of', state.moment1, parameters);
    checkMatch('moment of', state.moment2, parameters);
    assignAll(
      [...parameters].flatMap(([name, parameter]) => [
        [parameter, state.parameters.get(name)!, name] as const,
        [moments.get(name)![0], state.moment1.get(name)!, `first moment of ${name}`] as const,
        [moments.get(name)![1], state.moment2.get(name)!, `second moment of ${name}`] as const,
      ]),
    );
    this.optimizer.updates = state.step;
    this.#step = state.step;
  }

  dispose(): void {
    this.optimizer.dispose();
  }
}
