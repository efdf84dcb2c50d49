import { affine, div, fill, minimum, scope, sqrt, type Tensor, unscoped } from '@linattn/math';
import { adamW, squaredNorm } from '@linattn/math/network';
import { ensure } from '../ensure.ts';

/** The Euclidean length of all gradients together, as a scalar tensor: nothing is read back. */
export const globalNorm = (gradients: readonly Tensor[]): Tensor => scope(() => sqrt(squaredNorm(gradients)));

/** What gradients are multiplied by so that their length `norm` is at most `maximum`: min(1, maximum / norm). */
export const clipScale = (norm: Tensor, maximum: number): Tensor =>
  scope(() => {
    const constant = (value: number) => fill(norm.backend, [], value);
    // A norm of 0 gives 1, not 0 / 0.
    return minimum(div(constant(maximum), affine(norm, 1, 1e-12)), constant(1));
  });

/** Rates and moments of AdamW (Loshchilov & Hutter 2019). */
export interface AdamWOptions {
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.95, as Pythia. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Decoupled decay of matrices; biases, norms and coefficients (rank 1) have none. Default 0.1. */
  readonly weightDecay?: number;
}

/** AdamW with decoupled weight decay (Loshchilov & Hutter 2019). */
export class AdamW {
  /** First and second moments, by parameter name. */
  readonly moments: ReadonlyMap<string, readonly [Tensor, Tensor]>;
  /** Updates made. */
  updates = 0;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #options: Required<AdamWOptions>;

  constructor(parameters: ReadonlyMap<string, Tensor>, options: AdamWOptions = {}) {
    this.#parameters = parameters;
    const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0.1 } = options;
    ensure('beta1', beta1, beta1 >= 0 && beta1 < 1, 'a number in [0, 1)');
    ensure('beta2', beta2, beta2 >= 0 && beta2 < 1, 'a number in [0, 1)');
    ensure('epsilon', epsilon, epsilon > 0, 'a number > 0');
    ensure('weightDecay', weightDecay, weightDecay >= 0 && Number.isFinite(weightDecay), 'a finite number >= 0');
    this.#options = { beta1, beta2, epsilon, weightDecay };
    const zeros = ({ backend, shape }: Tensor) => unscoped(() => fill(backend, shape, 0));
    this.moments = new Map([...parameters].map(([name, tensor]) => [name, [zeros(tensor), zeros(tensor)] as const]));
  }

  /** One update from gradients in the order of the parameters, each first multiplied by the scalar tensor `gradientScale`. */
  step(gradients: readonly Tensor[], learningRate: number, gradientScale: Tensor): void {
    const { weightDecay, ...rest } = this.#options;
    const groups = [...this.#parameters].map(([name, parameter], i) => {
      const [moment1, moment2] = this.moments.get(name)!;
      return { parameter, gradient: gradients[i], moment1, moment2 };
    });
    this.updates++;
    adamW(groups, gradientScale, {
      ...rest,
      learningRate,
      step: this.updates,
      weightDecay: groups.map(({ parameter }) => (parameter.rank >= 2 ? weightDecay : 0)),
    });
  }

  /** Frees the moments; the parameters are the model's. */
  dispose(): void {
    for (const pair of this.moments.values()) for (const moment of pair) moment.dispose();
  }
}
