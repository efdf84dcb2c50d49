import type { BackendName } from '../backends/names.ts';
import type { TextFile } from './corpus.ts';
import type { TrainSettings } from './settings.ts';

/** What the page asks of the worker that trains. */
export type Command =
  | {
      readonly type: 'begin';
      readonly backend: BackendName;
      readonly settings: TrainSettings;
      readonly text?: TextFile;
    }
  | { readonly type: 'open'; readonly backend: BackendName; readonly file: TextFile; readonly text?: TextFile }
  /** The text to go on with, where a model file named one. */
  | { readonly type: 'text'; readonly text: TextFile }
  | { readonly type: 'run'; readonly running: boolean }
  | { readonly type: 'generate'; readonly prompt: string; readonly temperature: number; readonly seed: number }
  | { readonly type: 'stop generating' }
  | { readonly type: 'save' }
  /** After a failure: on this backend, from the last snapshot. */
  | { readonly type: 'recover'; readonly backend: BackendName };

export interface Ready {
  readonly backend: string;
  readonly parameters: number;
  readonly settings: TrainSettings;
  readonly step: number;
  readonly corpus:
    | { readonly name: string; readonly bytes: number; readonly entropy: number }
    /** The file that is still to be chosen. */
    | { readonly missing: string };
}

export interface LossPoint {
  readonly step: number;
  /** Nats a byte. */
  readonly loss: number;
}

export interface Generation {
  /** What came since the last message. */
  readonly text: string;
  readonly tokens: number;
  /** Carried from token to token. */
  readonly stateBytes: number;
  /** What keys and values of all tokens so far take, in the same model with softmax attention. */
  readonly cacheBytes: number;
  /** What the state takes in the same model with linear attention, f(x) = 1 + x. */
  readonly linearBytes: number;
  readonly tokensPerSecond: number;
  readonly done: boolean;
}

/** What the worker tells. */
export type Report =
  | { readonly type: 'doing'; readonly text: string }
  | ({ readonly type: 'ready' } & Ready)
  | {
      readonly type: 'steps';
      readonly points: readonly LossPoint[];
      readonly tokensPerSecond: number;
      /** In tensors, and kept for reuse. */
      readonly memory: { readonly tensors: number; readonly pooled: number };
    }
  | { readonly type: 'sample'; readonly step: number; readonly heldOut: number; readonly text: string }
  | { readonly type: 'running'; readonly running: boolean }
  | ({ readonly type: 'generated' } & Generation)
  | { readonly type: 'saved'; readonly name: string; readonly step: number; readonly bytes: Uint8Array }
  /** A file that cannot be used; all else goes on. */
  | { readonly type: 'refused'; readonly message: string }
  | {
      readonly type: 'failed';
      readonly code: string;
      readonly message: string;
      /** Training can go on from here, on a new backend. Undefined: there is nothing to go on with. */
      readonly resumeAt?: number;
    };
