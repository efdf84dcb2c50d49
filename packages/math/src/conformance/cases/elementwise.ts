import { affine } from '../../ops/affine.ts';
import { type BinaryFunction, type UnaryFunction, unaryFunctions } from '../../ops/attributes.ts';
import { add, backwardOf, div, eq, ge, maximum, minimum, mul, sub } from '../../ops/binary.ts';
import { fill } from '../../ops/fill.ts';
import {
  abs,
  cos,
  elu,
  erf,
  exp,
  gelu,
  log,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  square,
  step,
  tanh,
} from '../../ops/unary.ts';
import type { Shape } from '../../shape.ts';
import type { Tensor } from '../../tensor.ts';
import { forwardOnly, type OpCase, opCase } from '../case.ts';
import { awayFromZero, given, type InputSpec, normal, tied, uniform } from '../inputs.ts';

const fillCases = ([[], [1], [5], [3, 5, 7]] as Shape[]).map((shape) =>
  opCase('fill', `[${shape}]`, {}, (_, backend) => ({ y: fill(backend, shape, -1.25) }), forwardOnly),
);

type Draw = (shape: Shape) => InputSpec;
const positive: Draw = (shape) => uniform(shape, 0.1, 4);
const kinked: Draw = (shape) => awayFromZero(shape, 0.01, 3);
const spread: Draw = (shape) => normal(shape, 2);

const domain: Readonly<Record<UnaryFunction, Draw>> = {
  exp: spread,
  log: positive,
  sqrt: positive,
  rsqrt: positive,
  reciprocal: (shape) => awayFromZero(shape, 0.25, 3),
  square: spread,
  abs: kinked,
  sign: kinked,
  step: kinked,
  tanh: spread,
  sigmoid: spread,
  erf: spread,
  relu: kinked,
  gelu: spread,
  silu: spread,
  elu: kinked,
  sin: spread,
  cos: spread,
};

const unaryTable: Readonly<Record<UnaryFunction, (x: Tensor) => Tensor>> = {
  exp,
  log,
  sqrt,
  rsqrt,
  reciprocal,
  square,
  abs,
  sign,
  step,
  tanh,
  sigmoid,
  erf,
  relu,
  gelu,
  silu,
  elu,
  sin,
  cos,
};

const flat: readonly UnaryFunction[] = ['sign', 'step'];
/** Far out on both sides: no overflow on the way may turn into NaN. */
const saturating: readonly UnaryFunction[] = ['tanh', 'sigmoid', 'erf', 'relu', 'gelu', 'silu', 'elu'];
const far = [-200, -90, -40, -12, -5, -1e-3, 0, 1e-3, 5, 12, 40, 90, 200];

const unaryCase = (fn: UnaryFunction, description: string, x: InputSpec, options = {}): OpCase =>
  opCase('unary', `${fn} ${description}`, { x }, (inputs) => ({ y: unaryTable[fn](inputs.x) }), {
    ...(flat.includes(fn) ? forwardOnly : {}),
    ...options,
  });

const unaryCases = [
  ...unaryFunctions.map((fn) => unaryCase(fn, '[3,5,7]', domain[fn]([3, 5, 7]))),
  ...([[], [1], [2], [63], [257], [2, 3, 4, 5, 6]] as Shape[]).map((shape) =>
    unaryCase('tanh', `[${shape}]`, normal(shape)),
  ),
  // Derivatives at a kink are a convention, so these compare values only.
  ...(['abs', 'sign', 'step', 'relu'] as const).map((fn) => unaryCase(fn, 'at 0', given([-2, -0, 0, 3]), forwardOnly)),
  ...saturating.map((fn) => unaryCase(fn, 'far from 0', given(far), fn === 'relu' ? forwardOnly : {})),
  // Near 0, where a formula such as eˣ - 1 or a quotient of exponentials loses all digits.
  ...(['tanh', 'erf', 'elu', 'sin'] as const).map((fn) => unaryCase(fn, 'near 0', awayFromZero([33], 1e-6, 1e-4))),
  unaryCase('exp', 'wide', uniform([65], -20, 10)),
  unaryCase('log', 'wide', given([1e-30, 1e-10, 1e-3, 0.5, 2, 1e3, 1e10, 1e30]), forwardOnly),
  unaryCase('sqrt', 'at 0', given([0, 1e-30, 4, 1e30]), forwardOnly),
  unaryCase('sin', 'wide', uniform([257], -30, 30)),
  unaryCase('cos', 'wide', uniform([257], -30, 30)),
  unaryCase('gelu', 'large', normal([1000, 257]), { size: 'large' }),
];

const binaryTable = { add, sub, mul, div, maximum, minimum, ge, eq } as const;
type Named = keyof typeof binaryTable;
const factors: Readonly<Record<Named, [Draw, Draw]>> = {
  add: [normal, normal],
  sub: [normal, normal],
  mul: [normal, normal],
  div: [normal, (shape) => awayFromZero(shape, 0.5, 2)],
  maximum: [normal, normal],
  minimum: [normal, normal],
  ge: [normal, normal],
  eq: [(shape) => tied(shape, -1, 2), (shape) => tied(shape, -1, 2)],
};

const patterns: readonly (readonly [what: string, x: Shape, y: Shape])[] = [
  ['same', [4, 6], [4, 6]],
  ['scalars', [], []],
  ['scalar right', [4, 6], []],
  ['scalar left', [], [4, 6]],
  ['row', [5, 7], [7]],
  ['row left', [7], [5, 7]],
  ['column', [5, 7], [5, 1]],
  ['leading', [2, 3, 5], [3, 5]],
  ['outer', [5, 1], [1, 7]],
  ['middle', [2, 3, 4, 5], [2, 1, 4, 5]],
  ['alternate', [2, 1, 4, 1, 3], [1, 5, 1, 2, 3]],
  ['rank 5', [2, 3, 2, 3, 2], [2, 3, 2, 3, 2]],
  ['ragged row', [3, 257], [257]],
  ['ragged column', [65, 33], [65, 1]],
];

const binaryCase = (fn: Named, what: string, x: InputSpec, y: InputSpec, options = {}): OpCase =>
  opCase('binary', `${fn} ${what}`, { x, y }, (inputs) => ({ z: binaryTable[fn](inputs.x, inputs.y) }), {
    ...(fn === 'ge' || fn === 'eq' ? forwardOnly : {}),
    ...options,
  });

const backwards = [
  'tanhBackward',
  'sigmoidBackward',
  'reluBackward',
  'geluBackward',
  'siluBackward',
  'eluBackward',
] as const satisfies readonly BinaryFunction[];

const binaryCases = [
  ...(Object.keys(binaryTable) as Named[]).flatMap((fn) =>
    patterns.map(([what, x, y]) => binaryCase(fn, what, factors[fn][0](x), factors[fn][1](y))),
  ),
  ...(['maximum', 'minimum', 'ge'] as const).map((fn) =>
    binaryCase(fn, 'ties', tied([6, 7], -2, 3), tied([6, 7], -2, 3)),
  ),
  binaryCase('add', 'large', normal([1000, 257]), normal([257]), { size: 'large' }),
  ...backwards.flatMap((fn) => {
    const t = (shape: Shape) => (fn.startsWith('tanh') ? uniform(shape, -1, 1) : kinked(shape));
    const run = ({ t, dy }: Readonly<Record<string, Tensor>>) => ({ dx: backwardOf(fn, t, dy) });
    return [
      opCase('binary', `${fn} [3,5,7]`, { t: t([3, 5, 7]), dy: normal([3, 5, 7]) }, run, forwardOnly),
      opCase('binary', `${fn} far from 0`, { t: given(far), dy: normal([far.length]) }, run, forwardOnly),
    ];
  }),
];

const affineCases = [
  ...([[], [1], [63], [3, 5, 7]] as Shape[]).map((shape) =>
    opCase('affine', `[${shape}]`, { x: normal(shape) }, ({ x }) => ({ y: affine(x, -1.5, 0.25) })),
  ),
  opCase('affine', 'scale 0', { x: normal([5]) }, ({ x }) => ({ y: affine(x, 0, 2) })),
];

export const elementwiseCases: readonly OpCase[] = [...fillCases, ...unaryCases, ...binaryCases, ...affineCases];
