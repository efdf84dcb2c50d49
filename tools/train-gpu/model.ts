import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import type { Backend } from '@linattn/math';
import { GPTNeoX, sampledWindows, type TokenArray, Trainer } from '@linattn/nn';

export type Attention = 'linear' | 'softmax';

export interface Setting {
  readonly shape: keyof typeof shapes;
  readonly attention: Attention;
  /** Tokens a row. */
  readonly seqLen: number;
  /** Rows a batch. */
  readonly batch: number;
  /** Steps that the learning rate is planned for. */
  readonly steps: number;
  /** Rate of the paper's noise in place of dropout (its Eq 28), falling to 0. */
  readonly dropout: number;
}

/** Pythia-14M's, and one that a software adapter trains in seconds. */
export const shapes = {
  'pythia-14m': { vocabSize: 50_304, hiddenSize: 128, layers: 6, heads: 4 },
  tiny: { vocabSize: 64, hiddenSize: 16, layers: 2, heads: 2 },
} as const;

export interface Timed {
  readonly name: string;
  readonly milliseconds: number;
}

/** A trainer whose next step can be timed on the device. */
export interface Run {
  readonly trainer: Trainer;
  /** Times the device's work of the next step: in all, or by kernel. */
  timeNext(each: boolean): Promise<Timed[]>;
  dispose(): void;
}

/** A model and its trainer on `backend`. */
export function start(
  backend: WebgpuBackend,
  tokens: TokenArray,
  { shape, attention, seqLen, batch, steps, dropout }: Setting,
): Run {
  // A step's work goes to the device when its loss is read: that is where it is timed.
  let wanted: (() => Promise<void>) | undefined;
  const timing: Backend = {
    ...backend,
    download: async (handle, spec) => {
      const time = wanted;
      wanted = undefined;
      await time?.();
      return backend.download(handle, spec);
    },
  };
  const model = GPTNeoX.init(timing, {
    ...shapes[shape],
    attention: { type: attention },
    dropout: { mode: dropout > 0 ? 'paper' : 'none', rate: dropout, decay: 'linear' },
  });
  const trainer = new Trainer({
    model,
    data: sampledWindows(tokens, { seed: 1 }),
    batchSize: batch,
    seqLen,
    steps,
    learningRate: 1e-3,
    warmup: Math.min(100, Math.ceil(steps / 10)),
  });
  return {
    trainer,
    timeNext: async (each) => {
      let found: Timed[] = [];
      wanted = async () => {
        found = await backend.submitTimed(each);
      };
      await trainer.step();
      return found;
    },
    dispose: () => {
      trainer.dispose();
      model.dispose();
      backend.trim();
    },
  };
}
