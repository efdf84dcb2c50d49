import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { sameShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import type { OpAttributes } from './attributes.ts';

const matmulOp = defineOp<OpAttributes['matmul']>({
  name: 'matmul',
  infer: ([a, b], { transposeA, transposeB }) => {
    const rank = a!.shape.length;
    if (rank < 2) throw new ShapeError('a', a!.shape, 'rank >= 2');
    const batch = a!.shape.slice(0, -2);
    if (b!.shape.length !== rank || !sameShape(b!.shape.slice(0, -2), batch)) {
      throw new ShapeError('b', b!.shape, `leading extents [${batch.join(', ')}], as a`);
    }
    const [rows, inner] = transposeA ? [a!.shape[rank - 1], a!.shape[rank - 2]] : a!.shape.slice(-2);
    const [innerB, columns] = transposeB ? [b!.shape[rank - 1], b!.shape[rank - 2]] : b!.shape.slice(-2);
    if (inner !== innerB)
      throw new ShapeError('b', b!.shape, `an inner extent of ${inner}, as a [${a!.shape.join(', ')}]`);
    return [{ shape: [...batch, rows, columns], dtype: 'float' }];
  },
  saves: ([needA, needB]) => ({ inputs: [...(needB ? [0] : []), ...(needA ? [1] : [])] }),
  vjp: ({ attributes: { transposeA, transposeB }, needs, inputs: [a, b], gradients: [dy] }) => [
    needs[0] ? (transposeA ? matmul(b!, dy!, transposeB, true) : matmul(dy!, b!, false, !transposeB)) : undefined,
    needs[1] ? (transposeB ? matmul(dy!, a!, true, transposeA) : matmul(a!, dy!, !transposeA, false)) : undefined,
  ],
});

/**
 * Matrix product over equal leading (batch) extents: op(a) [..., M, K] times op(b) [..., K, N] gives [..., M, N], where op
 * transposes the last two axes when asked.
 */
export const matmul = (a: Tensor, b: Tensor, transposeA = false, transposeB = false): Tensor =>
  apply(matmulOp, [a, b], { transposeA, transposeB })[0];
