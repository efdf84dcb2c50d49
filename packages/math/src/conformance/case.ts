import type { Backend } from '../backend.ts';
import type { OpAttributes } from '../ops/attributes.ts';
import type { Tensor } from '../tensor.ts';
import type { InputSpec, Precision } from './inputs.ts';

/** The one table of tolerances. They hold for the relative norm error and for the largest error over the largest magnitude. */
export const tolerances: Readonly<Record<Precision, number>> = { float64: 1e-10, float32: 1e-5 };

/** What an operation is to a backend: `core` ones it must have, others may be composed. */
export type Tag = 'core' | 'fused' | 'attention';
/** Tensors by the name of the input. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

/** A small graph around one operation, with its inputs: what a backend must compute as the float64 reference does. */
export interface OpCase {
  readonly op: keyof OpAttributes | 'reshape';
  /** Unique; seeds the inputs. */
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Builds the graph on the backend; the outputs by name. */
  readonly run: (inputs: NamedTensors, backend: Backend) => NamedTensors;
  /** Inputs whose gradients are compared (as `d` + name). Default: all float inputs. */
  readonly differentiable?: readonly string[];
  /** Outputs that get a random upstream gradient. Default: all. */
  readonly seeded?: readonly string[];
  /** Upstream gradients of outputs, where they are not standard normal numbers. */
  readonly upstream?: Readonly<Record<string, InputSpec>>;
  /**
   * Values that are 0, or far smaller than their terms, in exact arithmetic, with the magnitude of the terms that cancel:
   * errors are measured against that magnitude where the value itself is smaller.
   */
  readonly cancels?: Readonly<Record<string, number>>;
  readonly tags: readonly Tag[];
  readonly size: 'small' | 'large';
}

const coreOps: ReadonlySet<string> = new Set<keyof OpAttributes>([
  'fill',
  'unary',
  'binary',
  'affine',
  'broadcast',
  'reduce',
  'matmul',
  'transpose',
  'slice',
  'pad',
  'concat',
  'gather',
  'scatterAdd',
  'oneHot',
]);

export const isCore = (op: string): boolean => coreOps.has(op);

type CaseOptions = Partial<Pick<OpCase, 'differentiable' | 'seeded' | 'upstream' | 'cancels' | 'size'>>;

/** A case named `op: description`, with tags by the operation's kind. */
export function opCase(
  op: OpCase['op'],
  description: string,
  inputs: OpCase['inputs'],
  run: OpCase['run'],
  options: CaseOptions = {},
): OpCase {
  const tags: Tag[] = [isCore(op) || op === 'reshape' ? 'core' : 'fused'];
  if (/attention|tripleProduct/i.test(op)) tags.push('attention');
  return { op, name: `${op}: ${description}`, inputs, run, tags, size: 'small', ...options };
}

/** For graphs that have no gradient. */
export const forwardOnly: CaseOptions = { differentiable: [] };
