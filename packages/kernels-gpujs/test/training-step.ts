import { linearAttention, mul, scope, sum, type Tensor, tensor, valueAndGrad } from '@linattn/math';
import { adamW, layerNorm } from '@linattn/math/network';
import type { GpujsBackend } from '../src/index.ts';

/** A small training step that touches most kinds of kernels. */
export function trainingStep(
  backend: GpujsBackend,
  parameters: readonly Tensor[],
  moments: readonly Tensor[],
  step: number,
) {
  return scope(() => {
    const [x, weight, bias] = parameters;
    const { value, gradients } = valueAndGrad(() => {
      const normal = layerNorm(x, weight, bias);
      const { output } = linearAttention(normal, normal, x, { normalize: 'l2' });
      return sum(mul(output, output));
    }, parameters);
    const one = tensor(backend, 1);
    adamW(
      parameters.map((parameter, i) => ({
        parameter,
        gradient: gradients[i],
        moment1: moments[2 * i],
        moment2: moments[2 * i + 1],
      })),
      one,
      { learningRate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, step, weightDecay: parameters.map(() => 0) },
    );
    // Gradients belong to whoever asked for them.
    for (const gradient of gradients) gradient.dispose();
    return value;
  });
}

export const zeros = (backend: GpujsBackend, shape: readonly number[], value = 0) =>
  tensor(backend, new Float32Array(shape.reduce((size, n) => size * n, 1)).fill(value), shape);

export function start(backend: GpujsBackend, tokens = 8) {
  const shape = [1, tokens, 2, 4];
  const extents = [shape, [4], [4]];
  const x = tensor(
    backend,
    Float32Array.from({ length: 8 * tokens }, (_, i) => Math.sin(i)),
    shape,
  );
  const parameters = [x, zeros(backend, [4], 1), zeros(backend, [4])];
  const moments = extents.flatMap((of) => [zeros(backend, of), zeros(backend, of)]);
  return { parameters, moments };
}
