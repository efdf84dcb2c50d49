import { apply, defineOp } from '../op.ts';
import { affine } from '../ops/affine.ts';
import type { OpAttributes } from '../ops/attributes.ts';
import { mul } from '../ops/binary.ts';
import { concat, reshape } from '../ops/movement.ts';
import { sum } from '../ops/reduce.ts';
import { square } from '../ops/unary.ts';
import type { Tensor } from '../tensor.ts';

const squaredNormOp = defineOp<OpAttributes['squaredNorm']>({
  name: 'squaredNorm',
  infer: () => [{ shape: [], dtype: 'float' }],
  compose: (inputs) => {
    const squares = inputs.map((x) => reshape(sum(square(x!)), [1]));
    return [sum(concat(squares, 0))];
  },
  saves: (needs) => ({ inputs: needs.flatMap((need, i) => (need ? [i] : [])) }),
  vjp: ({ needs, inputs, gradients: [dy] }) =>
    needs.map((need, i) => (need ? mul(affine(inputs[i]!, 2), dy!) : undefined)),
});

/** Σ x² over all numbers of all tensors (one at least, of any shapes), a scalar: the global norm of gradients, squared. */
export const squaredNorm = (tensors: readonly Tensor[]): Tensor => apply(squaredNormOp, tensors, {})[0];
