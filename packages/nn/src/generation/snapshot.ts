import { FormatError, type Shape, sameShape, scope, stateRows, tensor } from '@linattn/math';
import { type HostTensor, readSafetensors, type SafetensorsFile, writeSafetensors } from '../checkpoint/safetensors.ts';
import type { GPTNeoXConfig } from '../config.ts';
import type { BlockMemory, LayerMemory } from '../layers/context.ts';
import type { DecodingState, GPTNeoX } from '../models/gpt-neox.ts';
import { checkConfigs, MismatchError } from '../training/state.ts';

const format = 'linattn-decoding-state';
const version = '1';

/** What a stored state says of its model. */
export interface SnapshotOptions {
  /** A name of the parameters, such as a checkpoint's digest. Stored, and compared when the state is read. Default: none. */
  readonly identity?: string;
}

/**
 * A place in a text as a safetensors file: what every layer remembers, the position, and the model's configuration. With linear
 * attention its size does not depend on how much was read. The state is taken as it is at the call, and may move on at once.
 * @param model the one that `state` belongs to.
 */
export async function writeDecodingState(
  model: GPTNeoX,
  state: DecodingState,
  { identity }: SnapshotOptions = {},
): Promise<Uint8Array> {
  const metadata = {
    ...{ format, version, position: String(state.position), config: JSON.stringify(model.config) },
    ...(identity === undefined ? {} : { identity }),
  };
  const reads = [...memoriesOf(state)].flatMap(([name, { tensors }]) =>
    tensors.map(async (each, i): Promise<[string, HostTensor]> => {
      return [`${name}.${i}`, { shape: each.shape, values: (await each.read()) as HostTensor['values'] }];
    }),
  );
  return writeSafetensors(await Promise.all(reads), metadata);
}

/**
 * The state of `writeDecodingState` again: decoding goes on where it stood, to the last bit on the same backend. Dispose it when done.
 * @param name the file's, for messages.
 * @throws FormatError for a file that is cut short or damaged or no such file, naming the tensor at fault; MismatchError for a state of
 * another configuration, naming the option, or of another identity. Nothing is left behind then.
 */
export function readDecodingState(
  model: GPTNeoX,
  bytes: Uint8Array,
  { identity, name = 'state' }: SnapshotOptions & { readonly name?: string } = {},
): DecodingState {
  const file = readSafetensors(bytes, name);
  const { metadata } = file;
  if (metadata.format !== format) throw new FormatError(name, 'it is no decoding state of linattn');
  if (metadata.version !== version) {
    throw new FormatError(name, `version ${metadata.version}, where ${version} can be read`);
  }
  checkConfigs(configOf(metadata.config, name), comparable(model.config));
  if (metadata.identity !== identity) {
    throw new MismatchError('identity', metadata.identity ?? 'none', identity ?? 'none');
  }
  const position = Number(metadata.position);
  if (!Number.isSafeInteger(position) || position < 0) throw new FormatError(name, `position is ${metadata.position}`);

  const state = model.start();
  const shapes =
    position === 0 ? [] : [...memoriesOf(state)].flatMap(([memory]) => shapesOf(memory, model.config, position));
  checkShapes(file, new Map(shapes));
  try {
    scope(() => {
      for (const [memory, layer] of memoriesOf(state)) {
        const held = shapes
          .filter(([each]) => each.startsWith(`${memory}.`))
          .map(([each]) => {
            const { shape, values } = file.read(each);
            return tensor(model.backend, values, shape, { name: `${name}: tensor ${each}` });
          });
        layer.remember(...held);
      }
    });
  } catch (error) {
    state.dispose();
    throw error;
  }
  state.position = position;
  return state;
}

/** Throws unless the file holds these tensors and no others, all with one batch in front. */
function checkShapes({ name, tensors }: SafetensorsFile, expected: ReadonlyMap<string, Shape>): void {
  const batch = tensors.get([...expected.keys()][0])?.shape[0] ?? 1;
  for (const each of new Set([...expected.keys(), ...tensors.keys()])) {
    const [shape, given] = [expected.get(each), tensors.get(each)?.shape];
    if (!shape) throw new FormatError(name, `tensor ${each} has no place in the model's state`);
    if (!given) throw new FormatError(name, `it has no tensor ${each}`);
    const whole = [batch, ...shape];
    if (!sameShape(given, whole)) {
      throw new FormatError(name, `tensor ${each} is [${given.join(', ')}], where [${whole.join(', ')}] belongs`);
    }
  }
}

/** The memories of all layers, by the names that their tensors get in a file. */
function* memoriesOf({ memories }: { readonly memories: readonly BlockMemory[] }): Generator<[string, LayerMemory]> {
  for (const [i, { attention, attentionInput, mlpInput }] of memories.entries()) {
    yield [`layers.${i}.attention`, attention];
    yield [`layers.${i}.attention_input`, attentionInput];
    yield [`layers.${i}.mlp_input`, mlpInput];
  }
}

/** Names and shapes, without the batch, of what one memory holds after `position` tokens. */
function shapesOf(memory: string, config: GPTNeoXConfig, position: number): [string, Shape][] {
  const { attention, heads, hiddenSize, shortConvolution } = config;
  const headDim = hiddenSize / heads;
  if (!memory.endsWith('.attention')) {
    return shortConvolution > 1 ? [[`${memory}.0`, [shortConvolution - 1, hiddenSize]]] : [];
  }
  if (attention.type === 'softmax') return [0, 1].map((i) => [`${memory}.${i}`, [position, heads, headDim]]);
  const { featureMap, features = headDim, learnable, order, c } = attention;
  const rows = stateRows(featureMap === 'favor' ? features : headDim, learnable ? order : c === 0 ? 1 : 2);
  return [[`${memory}.0`, [heads, rows, headDim + 1]]];
}

function configOf(json: string | undefined, name: string): unknown {
  try {
    return comparable(JSON.parse(json ?? '') as GPTNeoXConfig);
  } catch (cause) {
    throw new FormatError(name, 'its config is damaged', { cause });
  }
}

/** What decoding depends on: how a model was initialised, and what is dropped in training, it does not. */
const comparable = ({ dropout: _, initialization: __, ...config }: GPTNeoXConfig) => config;
