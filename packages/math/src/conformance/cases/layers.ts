import { type AdamWGroup, adamW } from '../../network/adamw.ts';
import { crossEntropy, linearCrossEntropy, weightedLinearCrossEntropy } from '../../network/cross-entropy.ts';
import { layerNorm, rmsNorm } from '../../network/normalization.ts';
import { rotary } from '../../network/rotary.ts';
import { squaredNorm } from '../../network/squared-norm.ts';
import type { RandomAttributes, RotaryAttributes } from '../../ops/attributes.ts';
import { l2Normalize } from '../../ops/l2-normalize.ts';
import { random } from '../../ops/random.ts';
import { type Shape, sizeOf } from '../../shape.ts';
import { forwardOnly, type OpCase, opCase } from '../case.ts';
import { edited, given, type InputSpec, integers, normal, uniform } from '../inputs.ts';

const randomCase = (what: string, attributes: Partial<RandomAttributes> & { shape: Shape }): OpCase[] =>
  (['normal', 'uniform'] as const).map((distribution) =>
    opCase(
      'random',
      `${distribution} ${what}`,
      {},
      (_, backend) => ({ y: random(backend, { key: [7, 11], stream: [2, 3], ...attributes, distribution }) }),
      forwardOnly,
    ),
  );

const randomCases = [
  ...([[], [1], [2], [3], [4], [5], [63], [257], [3, 5, 7]] as Shape[]).flatMap((shape) =>
    randomCase(`[${shape}]`, { shape }),
  ),
  ...randomCase('full words', { shape: [37], key: [0xffffffff, 0x80000001], stream: [0xfffffffe, 0xdeadbeef] }),
  ...randomCase('key 0', { shape: [37], key: [0, 0], stream: [0, 0] }),
  ...randomCase('long', { shape: [2051] }),
];

const rotaryCase = (what: string, shape: Shape, options: Partial<RotaryAttributes> = {}): OpCase =>
  opCase('rotary', what, { x: normal(shape) }, ({ x }) => ({ y: rotary(x, options) }));

const rotaryCases = [
  rotaryCase('whole', [2, 5, 3, 8]),
  rotaryCase('partial', [2, 5, 3, 8], { dimensions: 4 }),
  rotaryCase('two features', [1, 7, 1, 5], { dimensions: 2 }),
  rotaryCase('inverse', [2, 5, 3, 8], { inverse: true }),
  rotaryCase('base 100', [1, 9, 2, 6], { base: 100 }),
  // Angles of thousands of radians: they must be formed in more than float32.
  rotaryCase('far offset', [1, 3, 2, 16], { offset: 5000 }),
  rotaryCase('one token', [3, 1, 2, 64], { dimensions: 16, offset: 37 }),
  rotaryCase('ragged', [1, 257, 3, 10]),
];

const zeroRow = edited(normal([4, 6]), (values) => values.fill(0, 6, 12));
const l2Cases = [
  ...([[5], [3, 2], [2, 5, 3, 8], [65, 33], [3, 257]] as Shape[]).map((shape) =>
    opCase('l2Normalize', `[${shape}]`, { x: normal(shape) }, ({ x }) => ({ y: l2Normalize(x, 0.97) })),
  ),
  opCase('l2Normalize', 'small vectors', { x: normal([5, 8], 1e-6) }, ({ x }) => ({ y: l2Normalize(x) })),
  opCase('l2Normalize', 'large vectors', { x: normal([5, 8], 1e6) }, ({ x }) => ({ y: l2Normalize(x) })),
  opCase('l2Normalize', 'a zero vector', { x: zeroRow }, ({ x }) => ({ y: l2Normalize(x) })),
];

const normInputs = (x: InputSpec, bias: boolean): OpCase['inputs'] => ({
  x,
  weight: normal(x.shape.slice(-1), 0.3, 1),
  ...(bias ? { bias: normal(x.shape.slice(-1)) } : {}),
});
const layerNormCase = (what: string, x: InputSpec, epsilon?: number): OpCase =>
  opCase('layerNorm', what, normInputs(x, true), ({ x, weight, bias }) => ({ y: layerNorm(x, weight, bias, epsilon) }));
const rmsNormCase = (what: string, x: InputSpec, epsilon?: number): OpCase =>
  opCase('rmsNorm', what, normInputs(x, false), ({ x, weight }) => ({ y: rmsNorm(x, weight, epsilon) }));

const normCases = [
  ...([[5], [3, 5], [2, 7, 64], [3, 257], [2, 3, 768]] as Shape[]).flatMap((shape) => [
    layerNormCase(`[${shape}]`, normal(shape, 1, 0.3)),
    rmsNormCase(`[${shape}]`, normal(shape, 1, 0.3)),
  ]),
  layerNormCase('epsilon 0.1', normal([9, 33]), 0.1),
  rmsNormCase('epsilon 0.1', normal([9, 33]), 0.1),
  // A mean far from 0: the variance must not be E[x²] - E[x]².
  layerNormCase('mean 30', normal([5, 65], 1, 30)),
  layerNormCase('many rows', normal([513, 17], 1, 0.3)),
  rmsNormCase('many rows', normal([513, 17], 1, 0.3)),
];

const crossEntropyCase = (what: string, rows: number, classes: number, scale = 2, shift = 0): OpCase =>
  opCase(
    'crossEntropy',
    what,
    { logits: normal([rows, classes], scale, shift), targets: integers([rows], 0, classes) },
    ({ logits, targets }) => ({ y: crossEntropy(logits, targets) }),
    { differentiable: ['logits'] },
  );

const linearCrossEntropyCase = (what: string, rows: number, width: number, classes: number, options = {}): OpCase =>
  opCase(
    'linearCrossEntropy',
    what,
    {
      x: normal([rows, width]),
      weight: normal([classes, width], 2 / Math.sqrt(width)),
      targets: integers([rows], 0, classes),
    },
    ({ x, weight, targets }) => ({ y: linearCrossEntropy(x, weight, targets) }),
    { differentiable: ['x', 'weight'], ...options },
  );

/** Weights of both signs, and every third 0, as at padding. */
const weightedLinearCrossEntropyCase = (
  what: string,
  [rows, width, classes]: readonly [rows: number, width: number, classes: number],
  { scale = 2, ...options }: { readonly scale?: number; readonly size?: OpCase['size'] } = {},
): OpCase =>
  opCase(
    'weightedLinearCrossEntropy',
    what,
    {
      x: normal([rows, width]),
      weight: normal([classes, width], scale / Math.sqrt(width)),
      targets: integers([rows], 0, classes),
      weights: edited(uniform([rows], -0.5, 1.5), (values) => {
        for (let i = 2; i < rows; i += 3) values[i] = 0;
      }),
    },
    ({ x, weight, targets, weights }) => ({ y: weightedLinearCrossEntropy(x, weight, targets, weights) }),
    options,
  );

const crossEntropyCases = [
  crossEntropyCase('[1, 2]', 1, 2),
  crossEntropyCase('[7, 11]', 7, 11),
  crossEntropyCase('[5, 257]', 5, 257),
  crossEntropyCase('[65, 1000]', 65, 1000),
  // exp of these overflows float32: the largest must be taken out first.
  crossEntropyCase('large logits', 9, 33, 20, 150),
  linearCrossEntropyCase('[7, 5] of 11', 7, 5, 11),
  linearCrossEntropyCase('[1, 8] of 33', 1, 8, 33),
  linearCrossEntropyCase('[65, 33] of 257', 65, 33, 257),
  linearCrossEntropyCase('large', 130, 64, 1003, { size: 'large' }),
  weightedLinearCrossEntropyCase('[7, 5] of 11', [7, 5, 11]),
  weightedLinearCrossEntropyCase('[1, 8] of 33', [1, 8, 33]),
  weightedLinearCrossEntropyCase('[3, 1] of 2', [3, 1, 2]),
  weightedLinearCrossEntropyCase('[65, 33] of 257', [65, 33, 257]),
  // exp of these overflows float32; in a long row, the largest logits of its parts lie far apart too.
  weightedLinearCrossEntropyCase('large logits', [9, 6, 131], { scale: 60 }),
  weightedLinearCrossEntropyCase('large logits, many words', [9, 6, 1300], { scale: 60 }),
  weightedLinearCrossEntropyCase('large', [130, 64, 1003], { size: 'large' }),
  weightedLinearCrossEntropyCase('many words', [135, 20, 6007], { size: 'large' }),
];

const squaredNormCase = (what: string, shapes: readonly Shape[]): OpCase =>
  opCase('squaredNorm', what, Object.fromEntries(shapes.map((shape, i) => [`x${i}`, normal(shape)])), (tensors) => ({
    y: squaredNorm(shapes.map((_, i) => tensors[`x${i}`])),
  }));

const squaredNormCases = [
  squaredNormCase('one number', [[]]),
  squaredNormCase('[3, 5]', [[3, 5]]),
  squaredNormCase('several', [[257], [2, 3, 65], [1], [40, 33]]),
  // More than one launch's bindings, one of them in several parts.
  squaredNormCase('17 and a long one', [...Array.from({ length: 17 }, (_, i) => [1 + 3 * i]), [33_333]]),
];

function adamWCase(
  what: string,
  shapes: readonly Shape[],
  steps: number,
  decay: readonly number[],
  fresh = false,
): OpCase {
  const fields = ['parameter', 'gradient', 'moment1', 'moment2'] as const;
  const draw = (field: (typeof fields)[number], shape: Shape) => {
    if (fresh && field.startsWith('moment')) return given(Array(sizeOf(shape)).fill(0), shape);
    return field === 'moment2' ? uniform(shape, 0.01, 0.5) : normal(shape, field === 'parameter' ? 0.3 : 1);
  };
  const inputs = shapes.flatMap((shape, i) => fields.map((field) => [`${field}${i}`, draw(field, shape)] as const));
  return opCase(
    'adamW',
    what,
    { scale: given([0.5], []), ...Object.fromEntries(inputs) },
    (tensors) => {
      const groups = shapes.map(
        (_, i) => Object.fromEntries(fields.map((field) => [field, tensors[field + i]])) as unknown as AdamWGroup,
      );
      for (let step = 1; step <= steps; step++) {
        adamW(groups, tensors.scale, {
          learningRate: 0.05,
          beta1: 0.9,
          beta2: 0.999,
          epsilon: 1e-8,
          step,
          weightDecay: decay,
        });
      }
      return Object.fromEntries(
        groups.flatMap(({ parameter, moment1, moment2 }, i) => [
          [`parameter${i}`, parameter.view()],
          [`moment1${i}`, moment1.view()],
          [`moment2${i}`, moment2.view()],
        ]),
      );
    },
    forwardOnly,
  );
}

const adamWCases = [
  adamWCase('one step', [[33]], 1, [0.1]),
  // From zero moments the factors 1 - beta are all that there is: they must be formed in more than float32.
  adamWCase('fresh moments', [[65], [3]], 2, [0.1, 0], true),
  adamWCase('one number', [[]], 1, [0]),
  adamWCase('several steps and groups', [[5], [3, 4], [257], [2, 3, 65]], 3, [0, 0.1, 0.01, 0]),
  // More groups than one launch's bindings.
  adamWCase(
    '17 groups',
    Array.from({ length: 17 }, (_, i) => [1 + 3 * i]),
    2,
    Array(17).fill(0.01),
  ),
];

export const layerCases: readonly OpCase[] = [
  ...randomCases,
  ...rotaryCases,
  ...l2Cases,
  ...normCases,
  ...crossEntropyCases,
  ...squaredNormCases,
  ...adamWCases,
];
