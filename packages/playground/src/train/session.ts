import { type Backend, indices, type PhiloxKey, philox4x32, uniformFromWord } from '@linattn/math';
import {
  type DecodingState,
  GPTNeoX,
  type StepResult,
  sampledWindows,
  sampleToken,
  sequentialWindows,
  Trainer,
  type TrainerState,
  warmupCosine,
} from '@linattn/nn';
import { decoder, encode, endOfText } from './bytes.ts';
import type { Corpus } from './corpus.ts';
import type { Generation } from './protocol.ts';
import { learningRateOf, modelOf, rowsOf, type TrainSettings } from './settings.ts';

/** A model with its trainer on one backend. */
export class Session {
  readonly model: GPTNeoX;
  readonly trainer: Trainer;
  /** Of all further steps, one by one. On a GPU a step more is under way when a result comes, but for the last that was planned. */
  readonly results: AsyncGenerator<StepResult, void, undefined>;
  readonly settings: TrainSettings;
  readonly backend: Backend;
  corpus: Corpus | undefined;

  constructor(backend: Backend, settings: TrainSettings, corpus: Corpus | undefined, state?: TrainerState) {
    const { seed, steps, seqLen } = settings;
    this.backend = backend;
    this.settings = settings;
    this.corpus = corpus;
    this.model = GPTNeoX.init(backend, modelOf(settings), { seed });
    this.trainer = new Trainer({
      model: this.model,
      data: { batch: (...at) => sampledWindows(this.corpus!.training, { seed }).batch(...at) },
      batchSize: rowsOf(settings),
      seqLen,
      steps,
      learningRate: warmupCosine({ peak: learningRateOf(settings), warmup: Math.min(20, steps), steps }),
      seed,
    });
    if (state) this.trainer.restore(state);
    this.results = this.trainer.train({ until: Number.POSITIVE_INFINITY, pause: (done) => done === steps });
  }

  get parameters(): number {
    return [...this.model.parameters.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Nats a byte of the text that is not trained on. */
  async heldOut(): Promise<number> {
    const { loss } = await this.trainer.evaluate(sequentialWindows(this.corpus!.heldOut));
    return loss;
  }

  dispose(): void {
    this.trainer.dispose();
    this.model.dispose();
  }
}

export interface Writing {
  readonly temperature: number;
  readonly seed: number;
}

/** Writes a text, a token at a time, for as long as it is asked. */
export class Writer {
  readonly #model: GPTNeoX;
  readonly #state: DecodingState;
  readonly #options: Writing;
  readonly #decode = decoder();
  readonly #words = new Uint32Array(4);
  readonly #started = performance.now();
  #next: ArrayLike<number>;
  #drawn = 0;
  #tokens = 0;

  constructor(model: GPTNeoX, prompt: string, options: Writing) {
    this.#model = model;
    this.#options = options;
    this.#state = model.start();
    // Every text of the training data began after an end of text.
    this.#next = Uint8Array.of(endOfText, ...encode(prompt));
  }

  /** The next token, as text: empty while a character is not whole. */
  async next(): Promise<string> {
    const { backend } = this.#model;
    const tokens = indices(backend, this.#next, [1, this.#next.length]);
    const logits = this.#model.decode(tokens, this.#state);
    tokens.dispose();
    const token = sampleToken(await logits.read(), this.#options, this.#uniform());
    logits.dispose();
    this.#tokens++;
    this.#next = [token];
    return this.#decode(token);
  }

  get tokens(): number {
    return this.#tokens;
  }

  /** What is carried on, and what a key-value cache would be after as many tokens. */
  get report(): Omit<Generation, 'text' | 'done'> {
    const { layers, hiddenSize, heads } = this.#model.config;
    const width = 1 + hiddenSize / heads;
    const bytesOfNumber = this.#model.backend.dtype === 'float64' ? 8 : 4;
    const held = this.#state.memories
      .flatMap(({ attention, attentionInput, mlpInput }) => [attention, attentionInput, mlpInput])
      .flatMap(({ tensors }) => tensors)
      .reduce((sum, { size }) => sum + size, 0);
    return {
      tokens: this.#tokens,
      stateBytes: bytesOfNumber * held,
      cacheBytes: bytesOfNumber * 2 * layers * hiddenSize * this.#state.position,
      linearBytes: bytesOfNumber * layers * heads * width * width,
      tokensPerSecond: (1000 * this.#tokens) / (performance.now() - this.#started),
    };
  }

  #uniform(): number {
    const key: PhiloxKey = [this.#options.seed >>> 0, 0x74657874];
    philox4x32(key, this.#drawn++, 0, 0, 0, this.#words);
    return uniformFromWord(this.#words[0]);
  }

  dispose(): void {
    this.#state.dispose();
  }
}
