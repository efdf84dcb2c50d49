import { LinattnError, sameShape, type Tensor, tensor } from '@linattn/math';
import type { HostTensor } from '../checkpoint/safetensors.ts';

/** A training run on the host: all that is needed to go on, to the last bit, where it stood. */
export interface TrainerState {
  /** Steps done. Data, noise and learning rate are functions of it. */
  readonly step: number;
  /** The model's configuration. */
  readonly config: unknown;
  /** The run's settings, for the record: they are not restored. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly parameters: ReadonlyMap<string, HostTensor>;
  /** AdamW's, by parameter name. */
  readonly moment1: ReadonlyMap<string, HostTensor>;
  readonly moment2: ReadonlyMap<string, HostTensor>;
}

/** What is to be restored belongs to another model. */
export class MismatchError extends LinattnError {
  constructor(argument: string, given: unknown, expected: string) {
    super('MISMATCH', `${argument}: the model has ${expected}, the checkpoint ${given}`, { argument, given, expected });
  }
}

const shapeOf = (shape: readonly number[] | undefined): string => (shape ? `[${shape.join(', ')}]` : 'nothing');

/** Throws unless both hold the same names with the same shapes. */
export function checkMatch(
  kind: string,
  given: ReadonlyMap<string, HostTensor>,
  expected: ReadonlyMap<string, Tensor>,
): void {
  for (const name of new Set([...expected.keys(), ...given.keys()])) {
    const [there, here] = [given.get(name)?.shape, expected.get(name)?.shape];
    if (!there || !here || !sameShape(there, here)) {
      throw new MismatchError(`${kind} ${name}`, shapeOf(there), shapeOf(here));
    }
  }
}

/** Throws unless both configurations say the same, naming the first option that differs. */
export function checkConfigs(given: unknown, expected: unknown, path = 'config'): void {
  const isTable = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
  if (isTable(given) && isTable(expected)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(given)])) {
      checkConfigs(given[key], expected[key], `${path}.${key}`);
    }
  } else if (given !== expected) throw new MismatchError(path, given, String(expected));
}

/** Uploads numbers for tensors of the same names; nothing is replaced unless all can be. */
export function assignAll(targets: readonly (readonly [Tensor, HostTensor, string])[]): void {
  const made: Tensor[] = [];
  try {
    for (const [{ backend }, { values, shape }, name] of targets) made.push(tensor(backend, values, shape, { name }));
  } catch (error) {
    for (const tensor of made) tensor.dispose();
    throw error;
  }
  targets.forEach(([target], i) => {
    target.assign(made[i]);
  });
}
