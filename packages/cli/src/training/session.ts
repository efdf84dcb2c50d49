import type { Backend } from '@linattn/math';
import { type BatchSource, GPTNeoX, type StepResult, sampledWindows, sequentialWindows, Trainer } from '@linattn/nn';
import type { Tokenizer } from '../data/tokenizer.ts';
import type { Interrupt } from '../interrupt.ts';
import { type RecallScore, scoreRecall } from '../stories/recall.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Corpus } from './corpus.ts';
import { type CurvePoint, drawCurve } from './curve.ts';
import { RunLog } from './log.ts';
import { Plan } from './plan.ts';
import { describeRunResult } from './result.ts';
import type { RunFolder } from './run-folder.ts';
import type { TrainingSettings } from './settings.ts';

export interface SessionOptions {
  readonly settings: TrainingSettings;
  readonly corpus: Corpus;
  readonly tokenizer: Tokenizer;
  readonly backend: Backend;
  readonly folder: RunFolder;
  readonly terminal: Terminal;
  readonly interrupt: Interrupt;
  /** Go on from the folder's checkpoint. */
  readonly resume: boolean;
}

export interface SessionResult {
  /** The caller's to dispose. */
  readonly model: GPTNeoX;
  readonly steps: number;
  readonly seconds: number;
  /** Ctrl-C came: the run is saved, and not at its end. */
  readonly interrupted: boolean;
  /** Nats a token; absent when interrupted before the first validation. */
  readonly validationLoss?: number;
  readonly recall?: RecallScore;
}

/** At most this many tokens are validated on at a time. */
const validationTokens = 16_384;

/** Trains a model as `settings` say, writing log, checkpoints and curve into the run's folder. */
export async function runSession(options: SessionOptions): Promise<SessionResult> {
  const { settings, backend, resume, folder } = options;
  const { model: config, seed } = settings;
  const checkpoint = resume ? await folder.checkpoint() : undefined;
  const model = GPTNeoX.init(backend, config, { seed });
  const session = new Session(options, model, checkpoint?.seconds ?? 0);
  try {
    if (checkpoint) session.trainer.restore(checkpoint.state);
    return await session.run();
  } catch (error) {
    model.dispose();
    throw error;
  } finally {
    await session.dispose();
  }
}

class Session {
  readonly trainer: Trainer;
  readonly #options: SessionOptions;
  readonly #model: GPTNeoX;
  readonly #plan: Plan;
  readonly #log: RunLog;
  readonly #validation: BatchSource;
  #validationLoss: number | undefined;
  /** Share of the run after which validation comes next. */
  #nextValidation = 0;
  #saved = performance.now();
  #tokensPerSecond = 0;

  constructor(options: SessionOptions, model: GPTNeoX, seconds: number) {
    const { settings, corpus, folder } = options;
    const { batchSize, seqLen, weightDecay, clip, seed } = settings;
    const plan = new Plan(settings, seconds);
    this.#options = options;
    this.#model = model;
    this.#plan = plan;
    this.#log = new RunLog(folder.logPath);
    this.#validation = sequentialWindows(wholeBatches(corpus.validation, batchSize * seqLen));
    this.trainer = new Trainer({
      model,
      data: sampledWindows(corpus.training, { seed }),
      batchSize,
      seqLen,
      // Where minutes decide, nobody knows how many steps there will be.
      steps: settings.steps ?? Number.MAX_SAFE_INTEGER,
      progress: (step) => plan.progress(step),
      learningRate: (step) => plan.learningRate(step),
      weightDecay,
      clip,
      seed,
    });
  }

  async run(): Promise<SessionResult> {
    const { settings, backend, interrupt } = this.#options;
    const { trainer } = this;
    await this.#log.open(trainer.steps);
    this.#validationLoss = this.#log.validation.at(-1)?.loss;
    this.#nextValidation = this.#following(this.#plan.progress(trainer.steps));
    const time = new Date().toISOString();
    await this.#log.write({ event: 'start', step: trainer.steps, time, backend: backend.name, node: process.version });
    const saves = () => performance.now() - this.#saved > settings.saveEvery * 1000;
    const stops = () => interrupt.requested || this.#plan.progress(trainer.steps) >= 1;
    const pause = (done: number) => stops() || saves() || this.#plan.progress(done) >= this.#nextValidation;
    for await (const result of stops() ? [] : trainer.train({ pause })) {
      await this.#tell(result);
      // With a step under way, the model is not the one of these losses.
      if (trainer.steps === result.step + 1) {
        const progress = this.#plan.progress(trainer.steps);
        if (progress >= this.#nextValidation && progress < 1) {
          this.#nextValidation = this.#following(progress);
          await this.#validate();
        }
        if (saves()) await this.#save();
        if (stops()) break;
      }
      await interrupt.yield();
    }
    const interrupted = interrupt.requested && this.#plan.progress(trainer.steps) < 1;
    const seconds = this.#plan.seconds;
    if (!interrupted) await this.#validate();
    await this.#save();
    this.#options.terminal.endProgress();
    const recall = interrupted ? undefined : await this.#recall();
    await this.#log.write({
      event: 'end',
      step: trainer.steps,
      seconds,
      interrupted,
      validationLoss: this.#validationLoss,
      recall,
    });
    const validationLoss = this.#validationLoss;
    if (!interrupted) {
      const { corpus, folder } = this.#options;
      const parameters = [...this.#model.parameters.values()].reduce((sum, { size }) => sum + size, 0);
      const came = { steps: trainer.steps, seconds, validationLoss, recall };
      await folder.writeResult(describeRunResult({ settings, corpus, backend, log: this.#log, parameters, ...came }));
    }
    return { model: this.#model, steps: trainer.steps, seconds, interrupted, validationLoss, recall };
  }

  async #tell(result: StepResult): Promise<void> {
    const { terminal } = this.#options;
    const { step, loss, learningRate, gradientNorm, tokens, milliseconds } = result;
    await this.#log.write({ event: 'step', step, loss, learningRate, gradientNorm, tokens, milliseconds });
    const speed = (1000 * tokens) / milliseconds;
    // A moving mean; the first step also compiles kernels, and says nothing of the others.
    this.#tokensPerSecond =
      this.#tokensPerSecond === 0 || step < 3 ? speed : 0.95 * this.#tokensPerSecond + 0.05 * speed;
    terminal.progress({
      done: this.#plan.progress(step + 1),
      secondsLeft: this.#plan.secondsLeft(step + 1),
      step: step + 1,
      loss,
      validationLoss: this.#validationLoss,
      tokensPerSecond: this.#tokensPerSecond,
    });
  }

  /** The next share of the run at which to validate. */
  #following(progress: number): number {
    const { evaluations } = this.#options.settings;
    return evaluations > 0 ? (Math.floor(progress * evaluations + 1e-9) + 1) / evaluations : Number.POSITIVE_INFINITY;
  }

  async #validate(): Promise<void> {
    const { terminal, corpus } = this.#options;
    const { loss } = await this.trainer.evaluate(this.#validation);
    const step = this.trainer.steps;
    this.#validationLoss = loss;
    await this.#log.write({ event: 'validation', step, loss, seconds: this.#plan.seconds });
    const bits = loss / corpus.bytesPerToken / Math.LN2;
    terminal.line(
      `step ${String(step).padEnd(6)}  validation ${loss.toFixed(4)} nats/token, ${bits.toFixed(3)} bits/byte`,
    );
  }

  async #save(): Promise<void> {
    const { folder, corpus, settings, backend } = this.#options;
    await folder.saveCheckpoint(await this.trainer.state(), this.#plan.seconds);
    const perCharacter = (points: readonly CurvePoint[]) =>
      points.map(({ step, loss }) => ({ step, loss: loss / corpus.charactersPerToken }));
    if (this.#log.training.length > 0) {
      const { layers, hiddenSize, attention } = settings.model;
      const svg = await drawCurve({
        title: `${corpus.description.split(':')[0]} · ${layers} × ${hiddenSize}, ${attention.type} attention · ${backend.name}`,
        training: perCharacter(this.#log.training),
        validation: perCharacter(this.#log.validation),
        unit: 'loss (nats per character)',
        reference: { label: `order-0 entropy ${corpus.entropy.toFixed(2)}`, loss: corpus.entropy },
      });
      await folder.writeCurve(svg);
    }
    this.#saved = performance.now();
  }

  async #recall(): Promise<RecallScore | undefined> {
    const { corpus, tokenizer, interrupt } = this.#options;
    if (corpus.recallStories.length === 0) return undefined;
    return scoreRecall(this.#model, tokenizer, corpus.recallStories, { pause: () => interrupt.yield() });
  }

  async dispose(): Promise<void> {
    this.#options.terminal.endProgress();
    this.trainer.dispose();
    await this.#log.close();
  }
}

/** The first tokens of a text, as many as fill whole batches: so that validation runs the shapes that training runs. */
function wholeBatches(tokens: Int32Array, batchTokens: number): Int32Array {
  const most = Math.min(tokens.length - 1, Math.max(validationTokens, batchTokens));
  const whole = Math.floor(most / batchTokens) * batchTokens;
  return tokens.subarray(0, (whole || most) + 1);
}
