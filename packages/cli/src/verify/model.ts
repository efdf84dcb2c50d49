import { type Backend, FormatError, indices, scope, type Tensor, valueAndGrad } from '@linattn/math';
import { configFromHuggingFace, GPTNeoX, type GPTNeoXConfig, type SafetensorsFile } from '@linattn/nn';
import type { Errors } from './attention.ts';
import { FieldReader, type HostTensor, isJsonObject, relativeError } from './tensor-json.ts';

/** Results of one model on one batch, as another program computed them. */
export interface ModelResults {
  readonly config: GPTNeoXConfig;
  /** [B, N] */
  readonly ids: readonly (readonly number[])[];
  /** [B, N, vocabSize] */
  readonly logits: HostTensor;
  /** Mean over the N - 1 next tokens of every row. */
  readonly loss: number;
  readonly gradients: ReadonlyMap<string, HostTensor>;
}

/** @throws FormatError, ValueError naming the field. */
export function parseModelResults(json: unknown): ModelResults {
  const field = new FieldReader(json, 'results');
  const config = configFromHuggingFace(field.raw('config'));
  const ids = parseIds(field.raw('ids'), config.vocabSize);
  const gradients = field.has('grads') ? field.raw('grads') : {};
  if (!isJsonObject(gradients))
    throw new FormatError('results.grads', 'expected an object of tensors by parameter name');
  const reader = new FieldReader(gradients, 'results.grads');
  return {
    config,
    ids,
    logits: field.tensor('logits', [ids.length, ids[0].length, config.vocabSize]),
    loss: field.number('loss'),
    gradients: new Map(Object.keys(gradients).map((name) => [name, reader.tensor(name)])),
  };
}

function parseIds(rows: unknown, vocabSize: number): number[][] {
  const isId = (id: unknown): id is number => Number.isInteger(id) && (id as number) >= 0 && (id as number) < vocabSize;
  const valid =
    Array.isArray(rows) &&
    rows.length > 0 &&
    rows.every((row) => Array.isArray(row) && row.length >= 2 && row.length === rows[0].length && row.every(isId));
  if (!valid)
    throw new FormatError('results.ids', `expected rows of equal length, two or more ids in [0, ${vocabSize})`);
  return rows;
}

/**
 * Runs the model forward and backward on a backend. Errors by `logits`, `loss` and the gradients' parameter names.
 * @throws FormatError when the weights do not fit the configuration, or a gradient names no parameter.
 */
export async function checkModel(backend: Backend, results: ModelResults, weights: SafetensorsFile): Promise<Errors> {
  const { config, ids, gradients } = results;
  const model = GPTNeoX.load(backend, config, weights);
  try {
    const names = [...gradients.keys()];
    const parameters = names.map((name) => {
      const parameter = model.parameters.get(name);
      if (!parameter) throw new FormatError(`results.grads.${name}`, 'names no parameter of the model');
      return parameter;
    });
    const errors: Record<string, number> = {};
    const logits = scope(() => model.logits(indices(backend, ids.flat(), [ids.length, ids[0].length])));
    errors.logits = relativeError(await taken(logits), results.logits.values);
    const { value, gradients: computed } = scope(() => {
      const length = ids[0].length - 1;
      const part = (from: number) =>
        indices(
          backend,
          ids.flatMap((row) => row.slice(from, from + length)),
          [ids.length, length],
        );
      const [tokens, targets] = [part(0), part(1)];
      return valueAndGrad(() => model.loss(tokens, targets), parameters);
    });
    errors.loss = relativeError(await taken(value), [results.loss]);
    for (const [i, name] of names.entries())
      errors[name] = relativeError(await taken(computed[i]), gradients.get(name)!.values);
    return errors;
  } finally {
    model.dispose();
  }
}

async function taken(tensor: Tensor): Promise<ArrayLike<number>> {
  try {
    return await tensor.read();
  } finally {
    tensor.dispose();
  }
}
