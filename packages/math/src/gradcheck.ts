import { LinattnError, ShapeError, ValueError } from './errors.ts';
import { philoxFill } from './random/philox.ts';
import { scope, unscoped } from './scope.ts';
import { vjp } from './tape.ts';
import { type Tensor, tensor } from './tensor.ts';

/** An analytic gradient differs from the central difference. `given` is the analytic one. */
export class GradientMismatchError extends LinattnError {
  readonly element: number;
  readonly analytic: number;
  readonly numeric: number;

  constructor(input: string, element: number, analytic: number, numeric: number, bound: number) {
    super(
      'GRADIENT_MISMATCH',
      `${input}: gradient ${analytic} at element ${element}, but the central difference is ${numeric} (bound ${bound.toExponential(1)})`,
      { argument: input, given: analytic, expected: `${numeric} within ${bound.toExponential(1)}` },
    );
    this.element = element;
    this.analytic = analytic;
    this.numeric = numeric;
  }
}

/** How gradients are compared with central differences. */
export interface GradcheckOptions {
  /**
   * Step h over the input's root mean square. Default ε^(1/3) = 6.1e-6, which balances truncation, h² f‴/6, with rounding,
   * ε f / h: each is then about 4e-11 for functions whose values and derivatives are about 1.
   */
  readonly step?: number;
  /** Of the difference over the input's largest gradient, on top of the rounding bound. Default 1e-6. */
  readonly tolerance?: number;
  /** Elements checked of each input, chosen at random; all when it has no more. Default 16. */
  readonly samples?: number;
  /** Of the choice of elements and of the projection. Default 0. */
  readonly seed?: number;
  /** What errors call the inputs. Default `inputs[0]`, … */
  readonly names?: readonly string[];
}

/** How far the tape is from central differences, input by input. */
export interface GradcheckReport {
  readonly inputs: readonly {
    readonly name: string;
    readonly checked: number;
    readonly largestGradient: number;
    /** Largest |analytic - numeric|. */
    readonly maxError: number;
    /** What it could have been: tolerance · largest gradient + rounding of the central difference. */
    readonly bound: number;
  }[];
}

type Numbers = ArrayLike<number>;

/**
 * Checks a function's gradients with central differences: with L(x) = Σ r · f(x) for random r over all outputs, the tape's ∂L/∂x_i is
 * held against (L(x + h e_i) - L(x - h e_i)) / 2h.
 * @param f of the inputs, differentiable at them: keep away from kinks. It is called again and again and must be pure.
 * @param inputs float tensors of a float64 backend. They stay as they are.
 * @throws GradientMismatchError naming input and element, ValueError for a float32 backend, ShapeError for no inputs.
 */
export async function gradcheck(
  f: (...inputs: Tensor[]) => Tensor | readonly Tensor[],
  inputs: readonly Tensor[],
  options: GradcheckOptions = {},
): Promise<GradcheckReport> {
  const { step = Number.EPSILON ** (1 / 3), tolerance = 1e-6, samples = 16, seed = 0 } = options;
  if (inputs.length === 0) throw new ShapeError('inputs', 0, 'at least one tensor');
  const { backend } = inputs[0];
  if (backend.dtype !== 'float64') throw new ValueError('inputs', backend.dtype, 'tensors of a float64 backend');
  const names = inputs.map((_, i) => options.names?.[i] ?? `inputs[${i}]`);
  const outputsOf = (...at: Tensor[]): Tensor[] => [f(...at)].flat() as Tensor[];

  const { gradients, projections, magnitude } = await analyticGradients(outputsOf, inputs, seed);

  /** Σ r (f(x + h e_i) - f(x - h e_i)): outputs that do not move cancel exactly, before they are summed. */
  const difference = async (input: number, values: Float64Array, element: number, h: number) => {
    const evaluate = async (shift: number) => {
      const moved = values.slice();
      moved[element] += shift;
      const outputs = unscoped(() =>
        scope(() => {
          const x = tensor(backend, moved, inputs[input].shape, { name: names[input] });
          return outputsOf(...inputs.map((other, i) => (i === input ? x : other))).map((output) => output.view());
        }),
      );
      return readAll(outputs);
    };
    const [above, below] = [await evaluate(h), await evaluate(-h)];
    return projections.reduce(
      (total, r, k) => total + r.reduce((sum, x, j) => sum + x * (above[k][j] - below[k][j]), 0),
      0,
    );
  };

  const report: GradcheckReport['inputs'][number][] = [];
  for (const [input, x] of inputs.entries()) {
    const values = Float64Array.from(await x.read());
    const typical = Math.sqrt(values.reduce((total, value) => total + value * value, 0) / values.length) || 1;
    const h = step * typical;
    const largestGradient = gradients[input].reduce((largest, g) => Math.max(largest, Math.abs(g)), 0);
    // Each of the two evaluations is off by a few ε of its terms.
    const bound = tolerance * largestGradient + (roundingSteps * Number.EPSILON * magnitude) / h;
    let maxError = 0;
    const elements = choose(values.length, samples, [seed, input]);
    for (const element of elements) {
      const numeric = (await difference(input, values, element, h)) / (2 * h);
      const analytic = gradients[input][element];
      const error = Math.abs(analytic - numeric);
      // Written so that NaN fails.
      if (!(error <= bound)) throw new GradientMismatchError(names[input], element, analytic, numeric, bound);
      maxError = Math.max(maxError, error);
    }
    report.push({ name: names[input], checked: elements.length, largestGradient, maxError, bound });
  }
  return { inputs: report };
}

const roundingSteps = 8;

async function analyticGradients(f: (...inputs: Tensor[]) => Tensor[], inputs: readonly Tensor[], seed: number) {
  const projections: Float64Array[] = [];
  // Views, so that an input given twice has two gradients.
  const [outputs, gradients] = unscoped(() =>
    scope(() => {
      const own = inputs.map((input) => input.view());
      const pulled = vjp(() => f(...own).map((output) => output), own);
      const seeds = pulled.outputs.map((output, k) => {
        projections.push(philoxFill(new Float64Array(output.size), 'normal', [seed, k], [0x9c, 0]));
        return tensor(output.backend, projections[k], output.shape);
      });
      return [pulled.outputs.map((output) => output.view()), pulled.pullback(seeds)];
    }),
  );
  const values = await readAll(outputs);
  const magnitude = projections.reduce(
    (total, r, k) => total + Math.sqrt(r.reduce((sum, x, j) => sum + (x * values[k][j]) ** 2, 0)),
    0,
  );
  return { gradients: (await readAll(gradients)).map((g) => Float64Array.from(g)), projections, magnitude };
}

async function readAll(tensors: readonly Tensor[]): Promise<Numbers[]> {
  try {
    return await Promise.all(tensors.map((each) => each.read()));
  } finally {
    for (const each of tensors) each.dispose();
  }
}

/** `count` different indices below `size`, at random; all in order when there are no more. */
function choose(size: number, count: number, key: readonly [number, number]): number[] {
  const all = Array.from({ length: size }, (_, i) => i);
  if (size <= count) return all;
  const draws = philoxFill(new Float64Array(count), 'uniform', key, [0x5a, 0]);
  // The first steps of a Fisher-Yates shuffle.
  for (let i = 0; i < count; i++) {
    const j = i + Math.floor(draws[i] * (size - i));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all.slice(0, count);
}
