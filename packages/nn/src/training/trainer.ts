import {
  add,
  affine,
  type Backend,
  concat,
  fill,
  indices,
  LinattnError,
  reshape,
  scope,
  type Tensor,
  tensor,
  unscoped,
  ValueError,
  valueAndGrad,
} from '@linattn/math';
import { readAll } from '../checkpoint/weights.ts';
import { ensure } from '../ensure.ts';
import type { LossOptions } from '../models/gpt-neox.ts';
import { AdamW, type AdamWOptions, clipScale, globalNorm } from './adamw.ts';
import { type Batch, type BatchSource, checkBatch, countOf } from './data.ts';
import { type Schedule, warmupCosine } from './schedule.ts';
import { assignAll, checkConfigs, checkMatch, type TrainerState } from './state.ts';

/** What the trainer asks of a model. */
export interface TrainableModel {
  readonly backend: Backend;
  readonly config: { readonly vocabSize: number };
  /** How many values a target may have. */
  readonly targetSize: number;
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** The mean loss of a batch, in nats: one number, differentiable in the parameters. */
  loss(tokens: Tensor, targets: Tensor, options?: LossOptions): Tensor;
}

/** A model, its data, and how it learns. */
export interface TrainerOptions extends AdamWOptions {
  readonly model: TrainableModel;
  readonly data: BatchSource;
  /** Rows a batch. */
  readonly batchSize: number;
  /** Tokens a row. */
  readonly seqLen: number;
  /** Steps planned: the schedule and the dropout's decay go by them. */
  readonly steps: number;
  /** Share of the training done at a step, in [0, 1], for dropout's decay; default step / steps. */
  readonly progress?: Schedule;
  /** Batches a step, one after the other; their gradients are averaged. Default 1. */
  readonly accumulate?: number;
  /** Peak learning rate, or a schedule of your own. Default 1e-3. */
  readonly learningRate?: number | Schedule;
  /** Steps of linear rise; default a hundredth of all. */
  readonly warmup?: number;
  /** Largest length of all gradients together; 0 for no clipping. Default 1. */
  readonly clip?: number;
  /** Seed of the dropout. Default 0. */
  readonly seed?: number;
}

/** How far `Trainer.train` goes, and where it waits. */
export interface TrainOptions {
  /** Steps done in the end; default those that were planned. */
  readonly until?: number;
  /**
   * Whether to hold the next step back until the caller has seen this result, since it wants the model as it is after `done` steps: to
   * evaluate it, to save it, to stop. Asked once a step, when it is under way. Default never.
   */
  readonly pause?: (done: number) => boolean;
}

/** What one step came to. */
export interface StepResult {
  /** From 0. */
  readonly step: number;
  /** Nats a token, before the update. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Tokens taken in. */
  readonly tokens: number;
  /** From the call, or from the result of the step before where that came later, to the loss being read. */
  readonly milliseconds: number;
}

/** The loss or the gradient became NaN or infinite; the parameters can no longer be trusted. */
export class DivergedError extends LinattnError {
  readonly step: number;

  constructor(step: number, argument: 'loss' | 'gradientNorm', given: number) {
    const advice = 'lower the learning rate, or clip, or go back to a checkpoint';
    super('DIVERGED', `step ${step}: ${argument} is ${given}; ${advice}`, {
      argument,
      given,
      expected: 'a finite number',
    });
    this.step = step;
  }
}

/** Trains a model, a step at a time. */
export class Trainer {
  readonly options: TrainerOptions;
  readonly optimizer: AdamW;
  readonly #schedule: Schedule;
  #step = 0;
  /** When the last result was read. */
  #lastRead = 0;

  /** @throws ValueError naming the option at fault. */
  constructor(options: TrainerOptions) {
    const { model, learningRate = 1e-3, steps, warmup = Math.ceil(steps / 100), clip = 1, accumulate = 1 } = options;
    const counts = { batchSize: options.batchSize, seqLen: options.seqLen, steps, accumulate };
    for (const [name, count] of Object.entries(counts)) {
      ensure(name, count, Number.isSafeInteger(count) && count > 0, 'an integer > 0');
    }
    ensure('clip', clip, clip >= 0 && Number.isFinite(clip), 'a finite number >= 0');
    this.options = options;
    this.#schedule =
      typeof learningRate === 'function' ? learningRate : warmupCosine({ peak: learningRate, warmup, steps });
    this.optimizer = new AdamW(model.parameters, options);
  }

  /** Steps done or under way: the number of the next. */
  get steps(): number {
    return this.#step;
  }

  /**
   * One update. All its work is queued before the first wait, and only the loss and the gradient's length are read back: a
   * caller may start the next step before this one's result is there.
   * @throws DivergedError when the loss or the gradient is not finite.
   */
  async step(): Promise<StepResult> {
    const started = performance.now();
    const step = this.#step;
    const learningRate = this.#schedule(step);
    const batches = this.#batches(step);
    const report = scope(() => this.#update(batches, step, learningRate));
    this.#step++;
    try {
      const [loss, gradientNorm] = await report.read();
      const since = Math.max(started, this.#lastRead);
      this.#lastRead = performance.now();
      if (!Number.isFinite(loss)) throw new DivergedError(step, 'loss', loss);
      if (!Number.isFinite(gradientNorm)) throw new DivergedError(step, 'gradientNorm', gradientNorm);
      const tokens = batches.reduce((sum, batch) => sum + batch.tokens.length, 0);
      return { step, loss, gradientNorm, learningRate, tokens, milliseconds: this.#lastRead - since };
    } finally {
      report.dispose();
    }
  }

  /**
   * Goes on training, giving each step's result. A backend that only queues (a GPU: one without `downloadSync`) is given the next step
   * before the result of this one is there, so that it need not wait for the host: `steps` is then greater than `step + 1`.
   * @throws DivergedError when the loss or the gradient is not finite.
   */
  async *train({
    until = this.options.steps,
    pause = () => false,
  }: TrainOptions = {}): AsyncGenerator<StepResult, void, undefined> {
    const queues = !this.options.model.backend.downloadSync;
    let next: Promise<StepResult> | undefined;
    try {
      while (next || this.#step < until) {
        const current: Promise<StepResult> = next ?? this.step();
        const goOn = !pause(this.#step) && queues && this.#step < until;
        next = goOn ? this.step() : undefined;
        // It is awaited later: until then, its failure is not one that nobody handles.
        next?.catch(() => {});
        yield await current;
      }
    } finally {
      await next?.catch(() => {});
    }
  }

  #batches(step: number): Batch[] {
    const { data, batchSize, seqLen, model, accumulate = 1 } = this.options;
    return Array.from({ length: accumulate }, (_, part) => {
      const index = step * accumulate + part;
      const batch = data.batch(index, batchSize, seqLen);
      if (!batch) throw new ValueError('data', `no batch ${index}`, 'data that do not end');
      checkBatch(batch, model.config.vocabSize, model.targetSize);
      return batch;
    });
  }

  /** Forward, backward, update; gives [loss, gradient's length]. */
  #update(batches: readonly Batch[], step: number, learningRate: number): Tensor {
    const { model, steps, clip = 1, seed = 0, progress: progressAt = (step: number) => step / steps } = this.options;
    const parameters = [...model.parameters.values()];
    const progress = Math.min(1, progressAt(step));
    let losses: Tensor | undefined;
    let totals: Tensor[] = [];
    try {
      batches.forEach((batch, part) => {
        // Each batch of a step draws noise of its own.
        const context = { training: true, progress, seed, step: step * batches.length + part };
        const { value, gradients } = valueAndGrad(() => this.#loss(batch, context), parameters);
        losses = losses ? add(losses, value) : value;
        totals = totals.length ? sumInto(totals, gradients) : gradients;
      });
      const share = 1 / batches.length;
      const norm = affine(globalNorm(totals), share);
      const scale = clip > 0 ? clipScale(norm, clip) : fill(model.backend, [], 1);
      this.optimizer.step(totals, learningRate, affine(scale, share));
      return concat([reshape(affine(losses!, share), [1]), reshape(norm, [1])], 0);
    } finally {
      for (const gradient of totals) gradient.dispose();
    }
  }

  /** Mean loss over all batches of a source that ends, each counted by its targets; without dropout. */
  async evaluate(data: BatchSource): Promise<{ loss: number; count: number }> {
    const { batchSize, seqLen, model } = this.options;
    let total = 0;
    let count = 0;
    for (let index = 0; ; index++) {
      const batch = data.batch(index, batchSize, seqLen);
      if (!batch) break;
      checkBatch(batch, model.config.vocabSize, model.targetSize);
      const value = scope(() => this.#loss(batch, {}));
      try {
        total += (await value.item()) * countOf(batch);
      } finally {
        value.dispose();
      }
      count += countOf(batch);
    }
    if (count === 0) throw new ValueError('data', 'no targets', 'at least one');
    return { loss: total / count, count };
  }

  #loss({ tokens, targets, shape, weights, prefix }: Batch, options: LossOptions): Tensor {
    const { model } = this.options;
    const { backend } = model;
    const targetShape = targets.length === tokens.length ? shape : [shape[0]];
    return model.loss(indices(backend, tokens, shape), indices(backend, targets, targetShape), {
      ...options,
      prefix,
      weights: weights && tensor(backend, weights, shape),
    });
  }

  /** Copies the run to the host, a step that is under way included. None may be begun before it is done. */
  async state(): Promise<TrainerState> {
    const { model, data: _, ...settings } = this.options;
    const moments = (which: 0 | 1) => [...this.optimizer.moments].map(([name, pair]) => [name, pair[which]] as const);
    return {
      step: this.#step,
      config: model.config,
      settings: Object.fromEntries(Object.entries(settings).filter(([, value]) => typeof value === 'number')),
      parameters: await readAll(model.parameters),
      moment1: await readAll(moments(0)),
      moment2: await readAll(moments(1)),
    };
  }

  /**
   * Goes on from a state: parameters, moments and step are replaced, or none where something does not fit.
   * @throws MismatchError for a state of another model, NonFiniteError for damaged numbers.
   */
  restore(state: TrainerState): void {
    const { parameters, config } = this.options.model;
    const { moments } = this.optimizer;
    checkConfigs(state.config, config);
    checkMatch('parameter', state.parameters, parameters);
    checkMatch('first moment of', state.moment1, parameters);
    checkMatch('second moment of', state.moment2, parameters);
    assignAll(
      [...parameters].flatMap(([name, parameter]) => {
        const [moment1, moment2] = moments.get(name)!;
        return [
          [parameter, state.parameters.get(name)!, name],
          [moment1, state.moment1.get(name)!, `first moment of ${name}`],
          [moment2, state.moment2.get(name)!, `second moment of ${name}`],
        ] as const;
      }),
    );
    this.optimizer.updates = state.step;
    this.#step = state.step;
  }

  /** Frees the moments; the model stays. */
  dispose(): void {
    this.optimizer.dispose();
  }
}

/** x_i + y_i for tensors of no scope; both are given up. */
function sumInto(x: readonly Tensor[], y: readonly Tensor[]): Tensor[] {
  return unscoped(() =>
    x.map((tensor, i) => {
      const sum = add(tensor, y[i]);
      tensor.dispose();
      y[i].dispose();
      return sum;
    }),
  );
}
