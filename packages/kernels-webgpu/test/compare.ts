import { type Backend, indices, random, type Shape, scope, type Tensor, tensor, vjp } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';

/** What is drawn for each input: normal numbers, or indices below a limit. */
export type Drawn = Shape | { readonly indices: Shape; readonly below: number };

/**
 * Outputs of `run` and gradients of its float inputs, on `backend` against float64, from the same inputs: the largest ‖x - r‖ / ‖r‖ of any,
 * NaN where one is not finite.
 */
export async function worstError(
  backend: Backend,
  inputs: readonly Drawn[],
  run: (...inputs: Tensor[]) => Tensor,
): Promise<number> {
  const exact = float64Backend();
  const values = await Promise.all(
    inputs.map(async (input, i) => {
      const shape = 'below' in input ? input.indices : input;
      const distribution = 'below' in input ? 'uniform' : 'normal';
      const drawn = random(exact, { shape, distribution, key: [i, 11], stream: [0, 0] });
      const numbers = await drawn.read();
      drawn.dispose();
      return 'below' in input
        ? Int32Array.from(numbers, (x) => Math.floor(x * input.below))
        : Float32Array.from(numbers);
    }),
  );
  const compute = async (on: Backend) => {
    const found = scope(() => {
      const tensors = inputs.map((input, i) =>
        'below' in input ? indices(on, values[i], input.indices) : tensor(on, values[i], input),
      );
      const wrt = tensors.filter(({ dtype }) => dtype === 'float');
      const { outputs, pullback } = vjp(() => [run(...tensors)], wrt);
      const seed = random(on, { shape: outputs[0].shape, distribution: 'normal', key: [99, 11], stream: [0, 0] });
      return [...outputs, ...pullback([seed])];
    });
    const read = await Promise.all(found.map((x) => x.read()));
    for (const each of found) each.dispose();
    return read;
  };
  const [expected, given] = [await compute(exact), await compute(backend)];
  const errors = expected.map((reference, i) => {
    let [difference, norm] = [0, 0];
    for (let at = 0; at < reference.length; at++) {
      difference += (given[i][at] - reference[at]) ** 2;
      norm += reference[at] ** 2;
    }
    return Math.sqrt(difference / norm);
  });
  return errors.some(Number.isNaN) ? Number.NaN : Math.max(...errors);
}
