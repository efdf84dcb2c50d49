import { type Backend, FormatError, sameShape, type Tensor, tensor } from '@linattn/math';
import type { ParameterSource } from '../parameters.ts';
import type { HostTensor, SafetensorsFile } from './safetensors.ts';

/** The output layer in older and in newer Hugging Face files. */
const output = ['embed_out.weight', 'lm_head.weight'];

/** Constants that older files store beside the parameters: masks and rotary frequencies. */
const constants = /\.attention\.(bias|masked_bias|rotary_emb\.inv_freq)$/;

/** What a file of another attention does not have: it starts from its initial value. */
const optional = /\.attention\.coefficients$/;

/** Parameters out of a safetensors file, and a check that the file held nothing else (`tied`: but a copy of the embedding). */
export function stored(
  backend: Backend,
  file: SafetensorsFile,
): { source: ParameterSource; checkAllUsed(tied: boolean): void } {
  const used = new Set<string>();
  const source: ParameterSource = (name, shape, initial) => {
    const key = name === output[0] && !file.tensors.has(name) ? output[1] : name;
    if (!file.tensors.has(key) && optional.test(name) && Array.isArray(initial)) return tensor(backend, initial, shape);
    const { shape: given, values } = file.read(key);
    if (!sameShape(given, shape)) {
      throw new FormatError(file.name, `tensor ${key} is [${given.join(', ')}], the model's [${shape.join(', ')}]`);
    }
    used.add(key);
    return tensor(backend, values, shape, { name: `${file.name}: tensor ${key}` });
  };
  const checkAllUsed = (tied: boolean) => {
    const expected = (name: string) => used.has(name) || constants.test(name) || (tied && output.includes(name));
    for (const name of file.tensors.keys()) {
      if (!expected(name)) {
        throw new FormatError(file.name, `tensor ${name} has no place in the model`);
      }
    }
  };
  return { source, checkAllUsed };
}

/** Copies tensors to the host, by name. */
export async function readAll(tensors: Iterable<readonly [string, Tensor]>): Promise<Map<string, HostTensor>> {
  const read = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    read.set(name, { shape: tensor.shape, values: (await tensor.read()) as HostTensor['values'] });
  }
  return read;
}
