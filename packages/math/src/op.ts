import type { Backend, Handle, Kernel, TensorSpec } from './backend.ts';
import { TensorUseError, UnsupportedError, ValueError } from './errors.ts';
import { recorder, untaped } from './recorder.ts';
import { scope } from './scope.ts';
import { checkLimit, Tensor } from './tensor.ts';

/** An optional input or gradient. */
export type Maybe<T> = T | undefined;

/** What a gradient rule gets to see. */
export interface VjpContext<A> {
  readonly attributes: A;
  /** Which inputs want a gradient. */
  readonly needs: readonly boolean[];
  /** The inputs and outputs that `saves` named; the others are undefined. */
  readonly inputs: readonly Maybe<Tensor>[];
  readonly outputs: readonly Maybe<Tensor>[];
  readonly inputSpecs: readonly Maybe<TensorSpec>[];
  readonly outputSpecs: readonly TensorSpec[];
  /** Gradients that flowed into the outputs; undefined where none did. */
  readonly gradients: readonly Maybe<Tensor>[];
}

/** Positions of the inputs and outputs that the gradient rule reads. Nothing else is held for backward. */
export interface Saved {
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
}

/** An operation: its shapes, its gradient and, unless it is core, how to compose it of others. Kernels live in backends. */
export interface Op<A> {
  readonly name: string;
  /** Checks inputs and attributes (typed errors naming the argument) and tells the outputs. */
  infer(inputs: readonly Maybe<TensorSpec>[], attributes: A): TensorSpec[];
  /** For operations without a kernel. */
  compose?(inputs: readonly Maybe<Tensor>[], attributes: A, backend: Backend): Tensor[];
  /** Which inputs and outputs the rule reads, where these gradients are wanted. Default: none. */
  saves?(needs: readonly boolean[], attributes: A): Saved;
  /** Vector-Jacobian product: one gradient an input, undefined where none is needed. */
  vjp?(context: VjpContext<A>): Maybe<Tensor>[];
  /** Which inputs may be int32, by position; `any` where numbers are only moved. All others must be float. Default: none. */
  readonly indices?: readonly number[] | 'any';
  /** The output shows the input's buffer under another shape. */
  readonly view?: boolean;
}

/** Gives an operation its name and type. */
/* @__NO_SIDE_EFFECTS__ */
export function defineOp<A>(op: Op<A>): Op<A> {
  return op;
}

/**
 * Runs an operation: checks, then the backend's kernel, or the composition where there is none; records it on the active tape.
 * @throws TensorUseError for tensors of different backends, ValueError for int32 where float is wanted, LimitError, UnsupportedError, and what `op.infer` throws.
 */
export function apply<A>(op: Op<A>, inputs: readonly Maybe<Tensor>[], attributes: A, on?: Backend): Tensor[] {
  const backend = commonBackend(op.name, inputs, on);
  const specs = op.infer(inputs, attributes);
  inputs.forEach((input, i) => {
    if (input?.dtype === 'int32' && op.indices !== 'any' && !op.indices?.includes(i)) {
      throw new ValueError(`${op.name}: input ${i}`, 'an int32 tensor', 'a float tensor');
    }
  });
  for (const { shape } of specs) checkLimit(op.name, shape, backend);
  const outputs = compute(op, backend, inputs, attributes, specs);
  recorder()?.record(op, attributes, inputs, outputs);
  return outputs;
}

function compute<A>(
  op: Op<A>,
  backend: Backend,
  inputs: readonly Maybe<Tensor>[],
  attributes: A,
  specs: readonly TensorSpec[],
): Tensor[] {
  if (op.view) return [inputs[0]!.view(specs[0].shape)];
  const kernel = (backend.kernels as Readonly<Record<string, Kernel<A> | undefined>>)[op.name];
  if (kernel) {
    const handles: Handle[] = kernel(inputs, attributes, specs);
    return handles.map((handle, i) => {
      const own = inputs.find((input) => input?.handle === handle);
      return own ? own.view(specs[i].shape) : Tensor.own(backend, specs[i], handle);
    });
  }
  if (!op.compose) throw new UnsupportedError(backend.name, op.name);
  return untaped(() =>
    scope(() => {
      const outputs = op.compose!(inputs, attributes, backend);
      // An output is always a tensor of its own, also where composing found nothing to do.
      return outputs.map((output, i) =>
        inputs.includes(output) || outputs.indexOf(output) < i ? output.view() : output,
      );
    }),
  );
}

function commonBackend(name: string, inputs: readonly Maybe<Tensor>[], on?: Backend): Backend {
  const backend = on ?? inputs.find((input) => input)?.backend;
  if (!backend) throw new TensorUseError(`${name}: no backend was given`);
  for (const input of inputs) {
    if (input && input.backend !== backend) {
      throw new TensorUseError(`${name}: inputs live on two backends (${backend.name}, ${input.backend.name})`);
    }
  }
  return backend;
}
