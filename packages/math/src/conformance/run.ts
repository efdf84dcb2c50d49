import type { Backend } from '../backend.ts';
import { LimitError } from '../errors.ts';
import { float64Backend } from '../float64/backend.ts';
import { keep, scope, unscoped } from '../scope.ts';
import { vjp } from '../tape.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { type NamedTensors, type OpCase, tolerances } from './case.ts';
import { opCases } from './cases/index.ts';
import { compare, type Difference, within } from './compare.ts';
import { materialise, normal, type Precision } from './inputs.ts';

/** What a case showed about a backend. */
export interface CaseReport {
  readonly op: OpCase['op'];
  readonly name: string;
  readonly backend: string;
  readonly precision: Precision;
  readonly tolerance: number;
  /** The backend has a kernel of its own for the operation, or none is needed; otherwise it was composed of others. */
  readonly kernel: boolean;
  readonly passed: boolean;
  /** The case is over the backend's limits, for this reason; it then counts neither way. */
  readonly skipped?: string;
  /** What was thrown, when something was. */
  readonly error?: unknown;
  /** Outputs, then gradients. */
  readonly differences: readonly Difference[];
  /** Buffers that were still live after every tensor of the case was disposed, less those before it. */
  readonly leaked: number;
}

// Streams of upstream gradients come after those of inputs.
const firstUpstream = 1 << 16;

type Numbers = ReadonlyMap<string, ArrayLike<number>>;

/** Records a case on a backend: outputs and, as `d` + name, gradients. All tensors belong to the enclosing scope. */
export function recordCase(backend: Backend, opCase: OpCase, precision: Precision = backend.dtype): NamedTensors {
  const inputs = Object.fromEntries(
    Object.entries(opCase.inputs).map(([name, spec], position) => {
      const values = materialise(spec, opCase.name, position, precision);
      return [name, tensor(backend, values, spec.shape, { dtype: spec.dtype, name })];
    }),
  );
  const names = opCase.differentiable ?? Object.keys(inputs).filter((name) => inputs[name].dtype === 'float');
  if (names.length === 0) return opCase.run(inputs, backend);
  return withGradients(backend, opCase, inputs, names, precision);
}

function withGradients(
  backend: Backend,
  opCase: OpCase,
  inputs: NamedTensors,
  names: readonly string[],
  precision: Precision,
): NamedTensors {
  const seeded = (name: string) => !opCase.seeded || opCase.seeded.includes(name);
  const loose: Tensor[] = [];
  let outputs: NamedTensors = {};
  let tape: ReturnType<typeof vjp> | undefined;
  try {
    tape = vjp(
      () => {
        outputs = opCase.run(inputs, backend);
        for (const [name, output] of Object.entries(outputs)) if (!seeded(name)) loose.push(keep(output));
        return Object.keys(outputs)
          .filter(seeded)
          .map((name) => outputs[name]);
      },
      names.map((name) => inputs[name]),
    );
    const seeds = Object.keys(outputs)
      .filter(seeded)
      .map((name, i) => {
        const spec = opCase.upstream?.[name] ?? normal(outputs[name].shape);
        const values = materialise(spec, opCase.name, firstUpstream + i, precision);
        return tensor(backend, values, spec.shape, { name: `upstream gradient of ${name}` });
      });
    const gradients = tape.pullback(seeds);
    loose.push(...gradients);
    const named = { ...outputs, ...Object.fromEntries(names.map((name, i) => [`d${name}`, gradients[i]])) };
    // Those that are in no scope enter the caller's as views.
    return Object.fromEntries(
      Object.entries(named).map(([name, value]) => [name, loose.includes(value) ? value.view() : value]),
    );
  } finally {
    tape?.dispose();
    for (const each of loose) each.dispose();
  }
}

/** Runs a case on a backend and reads everything back; nothing stays live. */
async function compute(backend: Backend, opCase: OpCase, precision: Precision): Promise<Numbers> {
  const named = Object.entries(unscoped(() => scope(() => recordCase(backend, opCase, precision))));
  try {
    const values = await Promise.all(named.map(([, value]) => value.read()));
    return new Map(named.map(([name], i) => [name, values[i]]));
  } finally {
    for (const [, value] of named) value.dispose();
  }
}

/**
 * Runs a case on a backend and on the reference, from the same inputs and upstream gradients (rounded to float32 first where the
 * backend computes in it), and compares every output and gradient. Never throws: what went wrong is in the report.
 * @param reference default a new `float64Backend()`.
 */
export async function runCase(backend: Backend, opCase: OpCase, reference?: Backend): Promise<CaseReport> {
  const precision = backend.dtype;
  const tolerance = tolerances[precision];
  const report = {
    op: opCase.op,
    name: opCase.name,
    backend: backend.name,
    precision,
    tolerance,
    kernel: opCase.op === 'reshape' || opCase.op in backend.kernels,
    differences: [],
  };
  const before = backend.memory().buffers;
  const leaked = () => backend.memory().buffers - before;
  try {
    const expected = await compute(reference ?? float64Backend(), opCase, precision);
    const found = await compute(backend, opCase, precision);
    const differences = [...expected].map(([name, values]) => ({
      ...compare(name, found.get(name) ?? [], values, opCase.cancels?.[name]),
      gradient: name.startsWith('d') && name.slice(1) in opCase.inputs,
    }));
    const passed = leaked() === 0 && differences.every((difference) => within(difference, tolerance));
    return { ...report, differences, leaked: leaked(), passed };
  } catch (error) {
    const skipped = error instanceof LimitError ? error.message : undefined;
    return { ...report, error, skipped, leaked: leaked(), passed: skipped !== undefined && leaked() === 0 };
  }
}

/** Which cases run, and against what. */
export interface ConformanceOptions {
  /** Which cases to run. Default: all. */
  readonly filter?: (opCase: OpCase) => boolean;
  /** Default `opCases`; add cases of your own operations. */
  readonly cases?: readonly OpCase[];
  readonly reference?: Backend;
  /** Called after each case. */
  readonly onReport?: (report: CaseReport) => void;
}

/** Runs all cases that `filter` lets through, one after the other. */
export async function runConformance(backend: Backend, options: ConformanceOptions = {}): Promise<CaseReport[]> {
  const { filter = () => true, cases = opCases, reference = float64Backend(), onReport } = options;
  const reports: CaseReport[] = [];
  for (const opCase of cases.filter(filter)) {
    const report = await runCase(backend, opCase, reference);
    reports.push(report);
    onReport?.(report);
  }
  return reports;
}

/** One line that says why a case failed; undefined when it passed. */
export function failureOf(report: CaseReport): string | undefined {
  if (report.passed) return undefined;
  const { name, backend, error, leaked, tolerance } = report;
  const wrong = report.differences.filter((difference) => !within(difference, tolerance));
  const reasons = [
    ...(error === undefined ? [] : [String(error)]),
    ...wrong.map((difference) =>
      difference.finite
        ? `${difference.name}: norm error ${difference.normError.toExponential(1)}, max error ${difference.maxError.toExponential(1)}`
        : `${difference.name}: not finite`,
    ),
    ...(leaked === 0 ? [] : [`${leaked} buffers leaked`]),
  ];
  return `${name} on ${backend} (tolerance ${tolerance}): ${reasons.join('; ')}`;
}
