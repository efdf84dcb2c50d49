import type { Backend } from '@linattn/math';
import type { Section } from './section.ts';

/** `smoke`: seconds, for tests. `laptop`: minutes on two cores. `paper`: the paper's sizes, for a GPU host. */
export const scales = ['smoke', 'laptop', 'paper'] as const;
/** How large an experiment runs: `smoke` takes seconds, `laptop` minutes, `paper` a GPU host. */
export type Scale = (typeof scales)[number];

/** A text as tokens, and what losses on it mean. */
export interface Text {
  readonly description: string;
  readonly training: Int32Array;
  readonly validation: Int32Array;
  /** A multiple of what the backends like, at least the largest id + 1. */
  readonly vocabSize: number;
  readonly charactersPerToken: number;
  /** Order-0 entropy, nats a character. */
  readonly entropy: number;
}

/** What an experiment is given by whoever runs it. */
export interface Host {
  /** Name of the backend, for people. */
  readonly backendName: string;
  /** A fresh backend, the caller's to dispose. */
  openBackend(): Promise<Backend>;
  /** A text by name or file, as tokens of `bytes` or of a tokenizer.json. */
  loadText(name: string, tokenizer: string): Promise<Text>;
  /** A data file by name, unpacked; undefined where the user gave none. */
  readData(name: string): Promise<Uint8Array | undefined>;
  /** Lets signals be seen; throws to stop. Experiments call it between short pieces of work. */
  pause(): Promise<void>;
  /** Where the run stands; `done` in [0, 1]. */
  progress(progress: { readonly done: number; readonly secondsLeft: number; readonly text: string }): void;
  /** A line that stays. */
  line(text: string): void;
}

export interface TaskContext extends Pick<Host, 'openBackend' | 'loadText' | 'readData' | 'pause'> {
  /** A folder for what a long task needs in order to go on: checkpoints. It may not exist yet. */
  readonly folder: string;
  /** Share of this task done, in [0, 1]. */
  report(done: number, text?: string): void;
  /** The value of a task that was measured before this one. */
  measured(key: string): unknown;
}

/** One measurement: what is skipped when a run goes on. */
export interface Task<V> {
  /** Unique within the experiment. */
  readonly key: string;
  /** How long it takes beside the others. Default 1. */
  readonly weight?: number;
  /** Whether a value found by a former run is to be measured again: where something was missing that may be there now. */
  again?(value: V): boolean;
  run(context: TaskContext): Promise<V>;
}

export interface Measurement<V> {
  readonly key: string;
  readonly value: V;
  readonly seconds: number;
  readonly date: string;
}

/** What the command line may set, where the experiment has such a setting. */
export interface Overrides {
  readonly seed?: number;
  /** Bytes; a method that would need more is marked X. */
  readonly memoryBudget?: number;
  /** Seconds; a run foreseen to take longer is left out, and said so. */
  readonly timeLimit?: number;
  /** What times are: by the wall's clock, or of processors (for CPU backends on a busy machine). */
  readonly clock?: 'wall' | 'processor';
  /** A text, by name or file. */
  readonly data?: string;
  /** `bytes`, or a tokenizer.json. */
  readonly tokenizer?: string;
  /** Training steps. */
  readonly steps?: number;
}

export interface Settings extends Overrides {
  readonly seed: number;
}

/** An experiment: settings by scale, measurements that follow from them, and the section that they make. */
export interface Experiment<S extends Settings = Settings, V = unknown> {
  readonly name: string;
  readonly title: string;
  readonly scales: Readonly<Record<Scale, S>>;
  /** The measurements that these settings ask for, in order. */
  tasks(settings: S): readonly Task<V>[];
  /** Given every task's value. */
  write(section: Section, settings: S, values: ReadonlyMap<string, V>): Promise<void>;
}
