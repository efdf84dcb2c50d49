import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { checkRank, checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';
import { add } from './binary.ts';
import { matmul } from './matmul.ts';
import { reshape } from './movement.ts';
import { sum } from './reduce.ts';

const rowsOf = (x: Tensor): Tensor => reshape(x, [-1, x.shape.at(-1)!]);

const linearOp = defineOp<OpAttributes['linear']>({
  name: 'linear',
  infer: ([x, weight, bias]) => {
    checkRank('weight', weight!.shape, 2);
    const [outputs, inputs] = weight!.shape;
    if (x!.shape.at(-1) !== inputs)
      throw new ShapeError('x', x!.shape, `a last extent of ${inputs}, as weight [${weight!.shape.join(', ')}]`);
    if (bias) checkShape('bias', bias.shape, [outputs]);
    return [{ shape: [...x!.shape.slice(0, -1), outputs], dtype: 'float' }];
  },
  compose: ([x, weight, bias]) => {
    const y = matmul(rowsOf(x!), weight!, false, true);
    return [reshape(bias ? add(y, bias) : y, [...x!.shape.slice(0, -1), weight!.shape[0]])];
  },
  saves: ([needX, needWeight]) => ({ inputs: [...(needWeight ? [0] : []), ...(needX ? [1] : [])] }),
  vjp: ({ needs, inputs: [x, weight], inputSpecs, gradients }) => {
    const dy = rowsOf(gradients[0]!);
    return [
      needs[0] ? reshape(matmul(dy, weight!), inputSpecs[0]!.shape) : undefined,
      needs[1] ? matmul(dy, rowsOf(x!), true) : undefined,
      needs[2] ? sum(dy, [0]) : undefined,
    ];
  },
});

/** x [..., K] times weightᵀ [K, M] plus bias [M]: [..., M]. */
export const linear = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor => apply(linearOp, [x, weight, bias], {})[0];
