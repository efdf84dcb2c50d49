import type { Backend, FloatArray } from '../backend.ts';
import { DenominatorError, ShapeError, UnsupportedError } from '../errors.ts';
import { apply } from '../op.ts';
import {
  type LinearAttentionOptions,
  linearAttention,
  linearAttentionBackwardOp,
  resolveAttention,
} from '../ops/linear-attention.ts';
import { untaped } from '../recorder.ts';
import { scope, unscoped } from '../scope.ts';
import { checkShape, type Shape, sizeOf } from '../shape.ts';
import { Tensor, tensor } from '../tensor.ts';

/** Numbers on the host, row-major, under their shape. */
export interface HostArray {
  readonly shape: Shape;
  readonly values: FloatArray;
}

/** Shapes as of `linearAttention`. */
export interface HostAttentionInputs {
  readonly q: HostArray;
  readonly k: HostArray;
  readonly v: HostArray;
  readonly coefficients?: HostArray;
  readonly initialState?: HostArray;
  readonly keyWeights?: HostArray;
}

/** Options of `linearAttention` that are no tensors. `strict` throws at once here. */
export type HostAttentionOptions = Omit<LinearAttentionOptions, 'coefficients' | 'initialState' | 'keyWeights'>;

export interface HostAttention {
  /** o [B, N_q, H, D_v] */
  readonly output: HostArray;
  /** g [B, N_q, H] */
  readonly denominator: HostArray;
  /** With `returnState`. */
  readonly state?: HostArray;
}

export interface HostAttentionGradients {
  readonly q: HostArray;
  readonly k: HostArray;
  readonly v: HostArray;
  /** Of [a, b, c], given as a tensor or as numbers. */
  readonly coefficients: HostArray;
  /** Where there was one. */
  readonly initialState?: HostArray;
}

/**
 * `linearAttention` from host arrays to host arrays, without waiting: copies in, computes, copies out, and leaves nothing on the
 * backend. NaN and infinities pass through.
 * @throws ShapeError, ValueError naming the argument; UnsupportedError for a backend that only reads asynchronously;
 * DenominatorError with `strict` when some g <= 0.
 */
export function attendForward(
  backend: Backend,
  inputs: HostAttentionInputs,
  { strict, ...options }: HostAttentionOptions = {},
): HostAttention {
  return onHost(backend, (upload, read) => {
    const { q, k, v, ...optional } = uploadAll(inputs, upload);
    const { output, denominator, state } = linearAttention(q, k, v, { ...options, ...optional });
    const g = read(denominator);
    if (strict) checkPositive(g.values);
    return { output: read(output), denominator: g, state: state && read(state) };
  });
}

/**
 * The gradients of `attendForward`, by the analytic backward of the operation: nothing is computed twice.
 * @param forward what `attendForward` returned for the same inputs and options: o and g.
 * @param upstream gradients of the output and of the state; what is absent is zero.
 */
export function attendBackward(
  backend: Backend,
  inputs: HostAttentionInputs,
  forward: Pick<HostAttention, 'output' | 'denominator'>,
  upstream: { readonly output?: HostArray; readonly state?: HostArray },
  options: HostAttentionOptions = {},
): HostAttentionGradients {
  return onHost(backend, (upload, read) => {
    const dO = upstream.output ?? zerosLike(forward.output);
    const gradients = linearAttentionBackward(
      uploadAll(inputs, upload),
      { output: upload('output', forward.output), denominator: upload('denominator', forward.denominator) },
      { output: upload('upstream.output', dO), state: upstream.state && upload('upstream.state', upstream.state) },
      options,
    );
    const { q, k, v, coefficients, initialState } = gradients;
    return {
      ...{ q: read(q), k: read(k), v: read(v), coefficients: read(coefficients) },
      initialState: initialState && read(initialState),
    };
  });
}

/** Shapes as of `linearAttention`. */
export interface AttentionInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly coefficients?: Tensor;
  readonly initialState?: Tensor;
  readonly keyWeights?: Tensor;
}

/** Each of its input's shape. */
export interface AttentionGradients {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  /** Of [a, b, c], given as a tensor or as numbers. */
  readonly coefficients: Tensor;
  /** Where there was one. */
  readonly initialState?: Tensor;
}

/**
 * The gradients of `linearAttention` where another framework keeps the tape and tensors of this backend are made over its memory. It
 * queues, like any operation, and records nothing.
 * @param forward o [B, N_q, H, D_v] and g [B, N_q, H], as `linearAttention` returned them for the same inputs and options.
 * @param upstream gradients of the output, and of the state where one was returned.
 * @throws ShapeError, ValueError naming the argument.
 */
export function linearAttentionBackward(
  inputs: AttentionInputs,
  forward: { readonly output: Tensor; readonly denominator: Tensor },
  upstream: { readonly output: Tensor; readonly state?: Tensor },
  options: HostAttentionOptions = {},
): AttentionGradients {
  const { q, k, v, coefficients, initialState, keyWeights } = inputs;
  const { a, b, c, ...attributes } = resolveAttention({ ...options, coefficients });
  checkShape('upstream.output', upstream.output.shape, forward.output.shape);
  const [dq, dk, dv, dCoefficients, dInitialState] = untaped(() =>
    apply(
      linearAttentionBackwardOp,
      [
        ...[q, k, v, coefficients ?? tensor(q.backend, [a, b, c]), initialState, keyWeights],
        ...[forward.output, forward.denominator, upstream.output, upstream.state],
      ],
      { ...attributes, coefficientGradients: true },
    ),
  );
  return { q: dq, k: dk, v: dv, coefficients: dCoefficients, initialState: dInitialState };
}

type Upload = (name: string, array: HostArray) => Tensor;
type Read = (tensor: Tensor) => HostArray;

/** Runs `body` apart from the caller's scopes and tapes, and frees what it made. */
function onHost<T>(backend: Backend, body: (upload: Upload, read: Read) => T): T {
  if (!backend.downloadSync) {
    throw new UnsupportedError(
      backend.name,
      'reading without waiting',
      'use a backend that has downloadSync, such as wasm',
    );
  }
  const upload: Upload = (name, { shape, values }) => {
    if (values.length !== sizeOf(shape))
      throw new ShapeError(name, `${values.length} numbers`, `[${shape.join(', ')}]`);
    const spec = { shape: [...shape], dtype: 'float' } as const;
    return Tensor.own(backend, spec, backend.upload(values, spec));
  };
  const read: Read = (tensor) => ({
    shape: tensor.shape,
    values: backend.downloadSync!(tensor.handle, tensor) as FloatArray,
  });
  return unscoped(() => untaped(() => scope(() => body(upload, read))));
}

function uploadAll(inputs: HostAttentionInputs, upload: Upload): AttentionInputs {
  const { coefficients, initialState, keyWeights } = inputs;
  return {
    q: upload('q', inputs.q),
    k: upload('k', inputs.k),
    v: upload('v', inputs.v),
    coefficients: coefficients && upload('coefficients', coefficients),
    initialState: initialState && upload('initialState', initialState),
    keyWeights: keyWeights && upload('keyWeights', keyWeights),
  };
}

const zerosLike = ({ shape, values }: HostArray): HostArray => ({ shape, values: new Float32Array(values.length) });

function checkPositive(denominators: FloatArray): void {
  let smallest = Number.POSITIVE_INFINITY;
  for (const g of denominators) {
    if (Number.isNaN(g)) throw new DenominatorError(g);
    if (g < smallest) smallest = g;
  }
  if (!(smallest > 0)) throw new DenominatorError(smallest);
}
