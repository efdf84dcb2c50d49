import type { TensorSpec } from '../backend.ts';
import { ShapeError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import type { OpAttributes } from '../ops/attributes.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { max } from '../ops/extremum.ts';
import { oneHot } from '../ops/gather.ts';
import { matmul } from '../ops/matmul.ts';
import { concat, reshape, slice } from '../ops/movement.ts';
import { sum } from '../ops/reduce.ts';
import { exp, log } from '../ops/unary.ts';
import { differentiated } from '../recorder.ts';
import { scope } from '../scope.ts';
import { checkRank, checkShape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

const column = (x: Tensor): Tensor => reshape(x, [x.size, 1]);

const crossEntropyOp = defineOp<OpAttributes['crossEntropy']>({
  name: 'crossEntropy',
  indices: [1],
  infer: ([logits, targets]) => {
    checkRank('logits', logits!.shape, 2);
    checkTargets(targets!, logits!.shape[0]);
    const row = { shape: [logits!.shape[0]], dtype: 'float' } as const;
    return [row, row];
  },
  compose: ([logits, targets]) => {
    const highest = max(logits!, [1]);
    const logSum = add(log(sum(exp(sub(logits!, column(highest))), [1])), highest);
    return [sub(logSum, sum(mul(oneHot(targets!, logits!.shape[1]), logits!), [1])), logSum];
  },
  saves: () => ({ inputs: [0, 1], outputs: [1] }),
  vjp: ({ inputs: [logits, targets], outputs: [, logSum], gradients: [dy] }) =>
    apply(crossEntropyBackwardOp, [logits, targets, logSum, dy], {}),
});

const crossEntropyBackwardOp = defineOp<OpAttributes['crossEntropyBackward']>({
  name: 'crossEntropyBackward',
  indices: [1],
  infer: ([logits]) => [{ shape: logits!.shape, dtype: 'float' }],
  compose: ([logits, targets, logSum, dy]) => {
    const probabilities = exp(sub(logits!, column(logSum!)));
    return [mul(sub(probabilities, oneHot(targets!, logits!.shape[1])), column(dy!))];
  },
});

function checkTargets(targets: TensorSpec, rows: number): void {
  checkShape('targets', targets.shape, [rows]);
  if (targets.dtype !== 'int32') throw new ShapeError('targets', targets.dtype, 'an int32 tensor');
}

function checkLinear(x: TensorSpec, weight: TensorSpec, targets: TensorSpec): void {
  checkRank('x', x.shape, 2);
  checkRank('weight', weight.shape, 2);
  checkShape('weight', weight.shape, [weight.shape[0], x.shape[1]]);
  checkTargets(targets, x.shape[0]);
}

/** -log softmax(logits)[target] of each row, in nats: logits [n, V], targets [n] in [0, V); gives [n]. */
export const crossEntropy = (logits: Tensor, targets: Tensor): Tensor =>
  apply(crossEntropyOp, [logits, targets], {})[0];

/** Logits of a row block stay under this many numbers: a large vocabulary is never materialised for all tokens. */
const blockElements = 1 << 22;
/** Row ranges for logits of x weightᵀ. */
const blocksOf = (x: Tensor, weight: Tensor): [number, number][] => {
  const rows = x.shape[0];
  const elements = Math.min(blockElements, x.backend.limits.maxElements);
  const height = Math.max(1, Math.floor(elements / weight.shape[0]));
  return Array.from({ length: Math.ceil(rows / height) }, (_, i) => [i * height, Math.min(rows, (i + 1) * height)]);
};

const linearCrossEntropyOp = defineOp<OpAttributes['linearCrossEntropy']>({
  name: 'linearCrossEntropy',
  indices: [2],
  infer: ([x, weight, targets]) => {
    checkLinear(x!, weight!, targets!);
    const row = { shape: [x!.shape[0]], dtype: 'float' } as const;
    return [row, row];
  },
  compose: ([x, weight, targets]) => {
    const parts = blocksOf(x!, weight!).map(([start, end]) =>
      apply(
        crossEntropyOp,
        [matmul(slice(x!, 0, start, end), weight!, false, true), slice(targets!, 0, start, end)],
        {},
      ),
    );
    return [0, 1].map((output) =>
      concat(
        parts.map((part) => part[output]),
        0,
      ),
    );
  },
  saves: () => ({ inputs: [0, 1, 2], outputs: [1] }),
  vjp: ({ inputs: [x, weight, targets], outputs: [, logSum], gradients: [dy] }) =>
    apply(linearCrossEntropyBackwardOp, [x, weight, targets, logSum, dy], {}),
});

const linearCrossEntropyBackwardOp = defineOp<OpAttributes['linearCrossEntropyBackward']>({
  name: 'linearCrossEntropyBackward',
  indices: [2],
  infer: ([x, weight]) => [x!, weight!].map(({ shape }) => ({ shape, dtype: 'float' })),
  compose: ([x, weight, targets, logSum, dy]) => {
    let dWeight: Tensor | undefined;
    const dx = blocksOf(x!, weight!).map(([start, end]) => {
      const rows = slice(x!, 0, start, end);
      const [dLogits] = apply(
        crossEntropyBackwardOp,
        [matmul(rows, weight!, false, true), ...[targets!, logSum!, dy!].map((t) => slice(t, 0, start, end))],
        {},
      );
      const part = matmul(dLogits, rows, true);
      dWeight = dWeight ? add(dWeight, part) : part;
      return matmul(dLogits, weight!);
    });
    return [concat(dx, 0), dWeight!];
  },
});

/**
 * Cross entropy of x weightᵀ: x [n, K], weight [V, K], targets [n] in [0, V); gives [n], in nats. Logits live a block of rows
 * at a time and are computed again in backward, so memory does not grow with n·V. Where only a weighted sum is wanted,
 * `weightedLinearCrossEntropy` spares that.
 */
export const linearCrossEntropy = (x: Tensor, weight: Tensor, targets: Tensor): Tensor =>
  apply(linearCrossEntropyOp, [x, weight, targets], {})[0];

// Outputs: the sum, each row's loss, and the gradients of the sum with respect to x and weight.
const weightedLinearCrossEntropyOp = defineOp<OpAttributes['weightedLinearCrossEntropy']>({
  name: 'weightedLinearCrossEntropy',
  indices: [2],
  infer: ([x, weight, targets, weights]) => {
    checkWeighted(x!, weight!, targets!, weights!);
    return [[], weights!.shape, x!.shape, weight!.shape].map((shape) => ({ shape, dtype: 'float' }));
  },
  compose: ([x, weight, targets, weights]) => {
    const [losses, logSum] = apply(linearCrossEntropyOp, [x, weight, targets], {});
    const gradients = apply(linearCrossEntropyBackwardOp, [x, weight, targets, logSum, weights], {});
    return [weightedSum(losses, weights!), losses, ...gradients];
  },
  saves: ([x, weight, , weights]) => ({
    outputs: [...(weights ? [1] : []), ...(x ? [2] : []), ...(weight ? [3] : [])],
  }),
  vjp: ({ outputs: [, losses, dx, dWeight], gradients: [dy] }) =>
    [dx, dWeight, undefined, losses].map((gradient) => gradient && mul(gradient, dy!)),
});

function checkWeighted(x: TensorSpec, weight: TensorSpec, targets: TensorSpec, weights: TensorSpec): void {
  checkLinear(x, weight, targets);
  checkShape('weights', weights.shape, [x.shape[0]]);
}

const weightedSum = (losses: Tensor, weights: Tensor): Tensor => sum(mul(losses, weights));

/**
 * Σ_i weights_i loss_i, a scalar in nats, of the losses that `linearCrossEntropy` gives: x [n, K], weight [V, K], targets [n] (int32)
 * in [0, V), weights [n] of either sign; 1 / n each for a mean. Differentiable in x, weight and weights.
 *
 * Where x or weight is being differentiated, their gradients are made in forward and backward only multiplies them by what comes
 * from above; until then the tape holds them, n K + V K numbers. So a kernel has them from the logits of a block of rows while they
 * are there, in three products of n K V instead of four and one exponential a logit instead of two (Hsu et al. 2024, "Liger Kernel:
 * Efficient Triton Kernels for LLM Training"); composed, it costs what `linearCrossEntropy` does. Elsewhere only losses are computed.
 *
 * @throws ShapeError naming the argument.
 */
export function weightedLinearCrossEntropy(x: Tensor, weight: Tensor, targets: Tensor, weights: Tensor): Tensor {
  checkWeighted(x, weight, targets, weights);
  // The scope gives back the outputs that the tape does not hold.
  return scope(() =>
    differentiated(x, weight)
      ? apply(weightedLinearCrossEntropyOp, [x, weight, targets, weights], {})[0]
      : weightedSum(linearCrossEntropy(x, weight, targets), weights),
  );
}
