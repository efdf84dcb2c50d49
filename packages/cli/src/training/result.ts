import type { Backend } from '@linattn/math';
import { describeMachine } from '../machine.ts';
import type { RecallScore } from '../stories/recall.ts';
import type { Corpus } from './corpus.ts';
import { type CurvePoint, thin } from './curve.ts';
import type { RunLog } from './log.ts';
import type { TrainingSettings } from './settings.ts';

/** What a finished run came to, and on what machine: result.json of its folder. Nothing in it names a path. */
export interface RunResult {
  readonly date: string;
  readonly machine: {
    readonly processor: string;
    readonly processors: number;
    readonly memoryGiB: number;
    readonly node: string;
  };
  readonly backend: string;
  readonly text: string;
  readonly model: TrainingSettings['model'] & { readonly parameters: number };
  readonly training: {
    readonly batchSize: number;
    readonly seqLen: number;
    readonly steps: number;
    readonly tokens: number;
    readonly seconds: number;
    /** The median over all steps. */
    readonly tokensPerSecond: number;
    readonly learningRate: number;
    readonly seed: number;
  };
  readonly validation?: { readonly natsPerCharacter: number; readonly bitsPerByte: number };
  /** Nats a character of the order-0 model: what knowing the characters' frequencies alone gives. */
  readonly order0Entropy: number;
  readonly recall?: RecallScore;
  /** Nats a token; training as means of neighbouring steps. */
  readonly curve: { readonly training: readonly CurvePoint[]; readonly validation: readonly CurvePoint[] };
}

export interface RunResultInput {
  readonly settings: TrainingSettings;
  readonly corpus: Corpus;
  readonly backend: Backend;
  readonly log: RunLog;
  readonly parameters: number;
  readonly steps: number;
  readonly seconds: number;
  readonly validationLoss?: number;
  readonly recall?: RecallScore;
}

export function describeRunResult(input: RunResultInput): RunResult {
  const { settings, corpus, backend, log, parameters, steps, seconds, validationLoss, recall } = input;
  const { batchSize, seqLen, learningRate, seed } = settings;
  const { processor, cores, memory, node } = describeMachine();
  return {
    date: new Date().toISOString(),
    machine: { processor, processors: cores, memoryGiB: Math.round(memory / 2 ** 30), node },
    backend: backend.name,
    text: corpus.description,
    model: { ...settings.model, parameters },
    training: {
      batchSize,
      seqLen,
      steps,
      tokens: log.tokens,
      seconds,
      tokensPerSecond: Math.round(log.tokensPerSecond),
      learningRate,
      seed,
    },
    ...(validationLoss !== undefined && {
      validation: {
        natsPerCharacter: validationLoss / corpus.charactersPerToken,
        bitsPerByte: validationLoss / corpus.bytesPerToken / Math.LN2,
      },
    }),
    order0Entropy: corpus.entropy,
    ...(recall && { recall }),
    curve: { training: thin(log.training, 200).map(rounded), validation: log.validation.map(rounded) },
  };
}

const rounded = ({ step, loss }: CurvePoint): CurvePoint => ({ step: Math.round(step), loss: Number(loss.toFixed(4)) });
