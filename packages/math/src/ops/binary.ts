import { MissingGradientError } from '../errors.ts';
import { apply, defineOp } from '../op.ts';
import { broadcastShapes } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { affine } from './affine.ts';
import type { BinaryFunction, OpAttributes } from './attributes.ts';
import { sumTo } from './reduce.ts';

interface Rule {
  readonly saves: readonly number[];
  /** Gradients before they are summed back over broadcast axes. */
  readonly dx: (dz: Tensor, x: Tensor, y: Tensor) => Tensor;
  readonly dy: (dz: Tensor, x: Tensor, y: Tensor) => Tensor;
}

const rules: Partial<Record<BinaryFunction, Rule>> = {
  add: { saves: [], dx: (dz) => dz, dy: (dz) => dz },
  sub: { saves: [], dx: (dz) => dz, dy: (dz) => affine(dz, -1) },
  mul: { saves: [0, 1], dx: (dz, _, y) => mul(dz, y), dy: (dz, x) => mul(dz, x) },
  div: { saves: [0, 1], dx: (dz, _, y) => div(dz, y), dy: (dz, x, y) => affine(div(mul(dz, x), mul(y, y)), -1) },
  maximum: { saves: [0, 1], dx: (dz, x, y) => mul(dz, ge(x, y)), dy: (dz, x, y) => mul(dz, affine(ge(x, y), -1, 1)) },
  minimum: { saves: [0, 1], dx: (dz, x, y) => mul(dz, ge(y, x)), dy: (dz, x, y) => mul(dz, affine(ge(y, x), -1, 1)) },
};

const binaryOp = defineOp<OpAttributes['binary']>({
  name: 'binary',
  infer: ([x, y], { fn }) => [{ shape: broadcastShapes(x!.shape, y!.shape, `${fn}: y`), dtype: 'float' }],
  saves: ([needX, needY], { fn }) => {
    // A product needs only the other factor of each gradient that is wanted.
    const saves = rules[fn]?.saves ?? [];
    if (fn === 'mul') return { inputs: saves.filter((i) => (i === 0 ? needY : needX)) };
    return { inputs: fn === 'div' && !needY ? [1] : saves };
  },
  vjp: ({ attributes: { fn }, needs, inputs: [x, y], inputSpecs, gradients: [dz] }) => {
    const rule = rules[fn];
    if (!rule) {
      // Comparisons are flat; second derivatives are not there.
      if (fn.endsWith('Backward')) throw new MissingGradientError(fn);
      return [];
    }
    return [
      needs[0] ? sumTo(rule.dx(dz!, x!, y!), inputSpecs[0]!.shape) : undefined,
      needs[1] ? sumTo(rule.dy(dz!, x!, y!), inputSpecs[1]!.shape) : undefined,
    ];
  },
});

/* @__NO_SIDE_EFFECTS__ */
const binary =
  (fn: BinaryFunction) =>
  (x: Tensor, y: Tensor): Tensor =>
    apply(binaryOp, [x, y], { fn })[0];

/**
 * x + y; shapes broadcast as in NumPy.
 * @throws ShapeError naming y when they do not.
 */
export const add = binary('add');
/** x - y; shapes broadcast. */
export const sub = binary('sub');
/** x y, element by element; shapes broadcast. */
export const mul = binary('mul');
/** x / y, element by element; shapes broadcast. Nothing is added to y. */
export const div = binary('div');
/** The larger of x and y; shapes broadcast. Where they are equal, x gets the gradient. */
export const maximum = binary('maximum');
/** The smaller of x and y; shapes broadcast. Where they are equal, x gets the gradient. */
export const minimum = binary('minimum');
/** 1 where x >= y, else 0. */
export const ge = binary('ge');
/** 1 where x = y, else 0. */
export const eq = binary('eq');

/** dy f'(x), from x or y = f(x) as `BinaryFunction` says. */
export const backwardOf = (fn: BinaryFunction & `${string}Backward`, t: Tensor, dy: Tensor): Tensor =>
  apply(binaryOp, [t, dy], { fn })[0];
