import { MissingGradientError, ShapeError, TensorUseError } from './errors.ts';
import type { Maybe, Op, VjpContext } from './op.ts';
import { add } from './ops/binary.ts';
import { fill } from './ops/fill.ts';
import { type Recorder, recorder, untaped, withRecorder } from './recorder.ts';
import { scope, unscoped } from './scope.ts';
import { checkShape } from './shape.ts';
import type { Tensor } from './tensor.ts';

interface Node {
  readonly op: Op<unknown>;
  readonly context: Omit<VjpContext<unknown>, 'gradients'>;
  readonly inputIds: readonly Maybe<number>[];
  readonly outputIds: readonly number[];
}

/**
 * Reverse-mode autodiff over backend operations. It holds only what the gradient rules named in `saves`, each under its own
 * reference: scopes may end between forward and backward.
 */
class Tape implements Recorder {
  readonly #nodes: Node[] = [];
  readonly #tracked: Set<number>;
  #spent = false;

  constructor(wrt: readonly Tensor[]) {
    this.#tracked = new Set(wrt.map((tensor) => tensor.id));
  }

  record<A>(op: Op<A>, attributes: A, inputs: readonly Maybe<Tensor>[], outputs: readonly Tensor[]): void {
    const needs = inputs.map((input) => input !== undefined && this.#tracked.has(input.id));
    if (!needs.includes(true)) return;
    if (!op.vjp) throw new MissingGradientError(op.name);
    const saved = op.saves?.(needs, attributes) ?? {};
    const hold = (tensors: readonly Maybe<Tensor>[], positions: readonly number[] = []) =>
      tensors.map((tensor, i) => (positions.includes(i) ? unscoped(() => tensor?.view()) : undefined));
    const spec = (tensor: Maybe<Tensor>) => tensor && { shape: tensor.shape, dtype: tensor.dtype };
    for (const output of outputs) this.#tracked.add(output.id);
    this.#nodes.push({
      op: op as Op<unknown>,
      context: {
        attributes,
        needs,
        inputs: hold(inputs, saved.inputs),
        outputs: hold(outputs, saved.outputs),
        inputSpecs: inputs.map(spec),
        outputSpecs: outputs.map((output) => spec(output)!),
      },
      inputIds: inputs.map((input) => input?.id),
      outputIds: outputs.map((output) => output.id),
    });
  }

  tracks(tensor: Tensor): boolean {
    return this.#tracked.has(tensor.id);
  }

  /** Elements held for backward, each buffer counted once; `except` (parameters, say) is not counted. */
  savedElements(except: readonly Tensor[] = []): number {
    const seen: Tensor[] = [...except];
    let elements = 0;
    for (const { context } of this.#nodes) {
      for (const tensor of [...context.inputs, ...context.outputs]) {
        if (!tensor || seen.some((other) => other.sharesStorage(tensor))) continue;
        seen.push(tensor);
        elements += tensor.size;
      }
    }
    return elements;
  }

  /** Backward. Frees what each operation saved as soon as its rule has run. */
  pullback(outputs: readonly Tensor[], seeds: readonly Tensor[], wrt: readonly Tensor[]): Tensor[] {
    if (this.#spent)
      throw new TensorUseError('pullback: what was saved for it is freed already; run the function again');
    if (seeds.length !== outputs.length) throw new ShapeError('seeds', seeds.length, `${outputs.length} tensors`);
    outputs.forEach((output, i) => {
      checkShape(`seeds[${i}]`, seeds[i].shape, output.shape);
    });
    // Whatever happens, the inner scope gives back all but the gradients that are returned, which belong to no scope.
    const run = () => {
      const gradients = new Map<number, Tensor>();
      const wanted = new Set(wrt.map((tensor) => tensor.id));
      const accumulate = (id: number, gradient: Tensor) => {
        const sum = gradients.get(id);
        gradients.set(id, sum ? add(sum, gradient) : gradient.view());
        sum?.dispose();
      };
      outputs.forEach((output, i) => {
        accumulate(output.id, seeds[i]);
      });
      for (let node = this.#nodes.at(-1); node; node = this.#nodes.at(-1)) {
        const { op, context, inputIds, outputIds } = node;
        const incoming = outputIds.map((id) => gradients.get(id));
        if (incoming.some((gradient) => gradient)) {
          const found = scope(() => op.vjp!({ ...context, gradients: incoming }).map((gradient) => gradient?.view()));
          found.forEach((gradient, i) => {
            if (gradient && context.needs[i]) accumulate(inputIds[i]!, gradient);
            gradient?.dispose();
          });
        }
        outputIds.forEach((id, i) => {
          if (wanted.has(id)) return;
          incoming[i]?.dispose();
          gradients.delete(id);
        });
        free(node);
        this.#nodes.pop();
      }
      return wrt.map((tensor) => gradients.get(tensor.id)?.view() ?? fill(tensor.backend, tensor.shape, 0));
    };
    try {
      return unscoped(() => untaped(() => scope(run)));
    } finally {
      this.dispose();
    }
  }

  dispose(): void {
    this.#spent = true;
    for (const node of this.#nodes.splice(0)) free(node);
  }
}

function free({ context }: Node): void {
  for (const tensor of [...context.inputs, ...context.outputs]) tensor?.dispose();
}

/** From gradients of the outputs to gradients of the inputs; what was saved lives until it is disposed. */
export interface Pullback<T extends readonly Tensor[]> {
  /** What the function returned; the caller's to dispose. */
  readonly outputs: T;
  /** Elements saved for backward (buffers shared with `wrt` included). */
  readonly savedElements: (except?: readonly Tensor[]) => number;
  /** Gradients with respect to `wrt`, given one upstream gradient an output. Once only: it frees what was saved (then TensorUseError). */
  readonly pullback: (seeds: readonly Tensor[]) => Tensor[];
  /** Frees what was saved, when pullback is never called. */
  readonly dispose: () => void;
}

/**
 * Runs `f` under a tape and returns its outputs with the function that pulls gradients back to `wrt`.
 * @throws MissingGradientError inside a function that is itself being differentiated: gradients have no gradients. Within
 * `untaped` it is allowed, and constant to the outer function.
 */
export function vjp<T extends readonly Tensor[]>(f: () => T, wrt: readonly Tensor[]): Pullback<T> {
  if (recorder()) throw new MissingGradientError('vjp');
  const tape = new Tape(wrt);
  try {
    const outputs = scope(() => withRecorder(tape, f));
    return {
      outputs,
      savedElements: (except) => tape.savedElements(except),
      pullback: (seeds) => tape.pullback(outputs, seeds, wrt),
      dispose: () => tape.dispose(),
    };
  } catch (error) {
    tape.dispose();
    throw error;
  }
}

/**
 * Value of a scalar function and its gradients with respect to `wrt` (zeros where it does not depend on one).
 * The gradients belong to the caller (to no scope); the value to the enclosing scope.
 */
export function valueAndGrad(f: () => Tensor, wrt: readonly Tensor[]): { value: Tensor; gradients: Tensor[] } {
  return scope(() => {
    const { outputs, pullback, dispose } = vjp(() => [f()], wrt);
    try {
      const [value] = outputs;
      if (value.size !== 1) throw new ShapeError('f()', value.shape, 'a single number to differentiate');
      return { value, gradients: pullback([fill(value.backend, value.shape, 1)]) };
    } finally {
      dispose();
    }
  });
}
