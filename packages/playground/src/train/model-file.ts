import { FormatError } from '@linattn/math';
import { type HostTensor, readSafetensors, type TrainerState, writeSafetensors } from '@linattn/nn';
import { isTrainSettings, type TrainSettings } from './settings.ts';

/** A run as one safetensors file: parameters by their names, AdamW's moments, and in its metadata the settings. */
export interface ModelFile {
  readonly settings: TrainSettings;
  /** `storiesName`, or the name of the text file that it learnt from. */
  readonly corpus: string;
  readonly state: TrainerState;
}

const format = 'linattn-playground-1';
const moments = { moment1: 'optimizer.moment1.', moment2: 'optimizer.moment2.' } as const;

export function writeModelFile({ settings, corpus, state }: ModelFile): Uint8Array {
  const tensors = [
    ...state.parameters,
    ...prefixed(moments.moment1, state.moment1),
    ...prefixed(moments.moment2, state.moment2),
  ];
  const run = JSON.stringify({ settings, corpus, step: state.step, config: state.config });
  return writeSafetensors(tensors, { format: 'pt', linattn: format, run });
}

const prefixed = (prefix: string, tensors: ReadonlyMap<string, HostTensor>) =>
  [...tensors].map(([name, tensor]) => [prefix + name, tensor] as const);

/** @throws FormatError naming the file, and the tensor where one is at fault. */
export function readModelFile(bytes: Uint8Array, name: string): ModelFile {
  const file = readSafetensors(bytes, name);
  if (file.metadata.linattn !== format) {
    throw new FormatError(name, 'this page did not save it: it does not say which model and settings it belongs to');
  }
  const { settings, corpus, step, config } = parse(file.metadata.run, name);
  if (!isTrainSettings(settings) || typeof corpus !== 'string' || !Number.isSafeInteger(step) || (step as number) < 0) {
    throw new FormatError(name, 'its settings are damaged');
  }
  const parameters = [...file.tensors.keys()].filter((tensor) => !tensor.startsWith('optimizer.'));
  const read = (prefix: string) => new Map(parameters.map((tensor) => [tensor, file.read(prefix + tensor)]));
  const state: TrainerState = {
    step: step as number,
    config,
    settings: {},
    parameters: read(''),
    moment1: read(moments.moment1),
    moment2: read(moments.moment2),
  };
  return { settings, corpus, state };
}

function parse(text: string | undefined, name: string): Partial<Record<string, unknown>> {
  try {
    const run: unknown = JSON.parse(text ?? '');
    if (typeof run === 'object' && run !== null) return run as Record<string, unknown>;
  } catch {
    // Told below, as for everything else that is no table.
  }
  throw new FormatError(name, 'its settings are damaged');
}
