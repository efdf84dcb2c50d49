import { describe, expect, it } from 'vitest';
import { GradientMismatchError, gradcheck, type OpCase, opCases } from '../src/conformance/index.ts';
import { materialise } from '../src/conformance/inputs.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  abs,
  add,
  affine,
  apply,
  defineOp,
  elu,
  exp,
  max,
  maximum,
  minimum,
  mul,
  relu,
  square,
  sum,
  type Tensor,
  tensor,
  valueAndGrad,
} from '../src/index.ts';

const backend = float64Backend();

// Central differences see one-sided slopes at kinks and ties, where the gradient is a convention; those are tested by value.
const kinked = /ties|zero vector|elu far from 0/;
const checkable = opCases.filter(
  ({ name, size, differentiable }) => differentiable?.length !== 0 && size === 'small' && !kinked.test(name),
);
// Two evaluations an element: the longest cases of the composed softmax would take most of the time and add no rule.
const checked = checkable.filter(({ name }) => !/^softmaxAttention.* N(129|200|257) /.test(name));

/** The case as a function of its differentiable inputs. */
function asFunction(opCase: OpCase) {
  const all = Object.entries(opCase.inputs).map(([name, spec], position) => {
    const values = materialise(spec, opCase.name, position, 'float64');
    return [name, tensor(backend, values, spec.shape, { dtype: spec.dtype })] as const;
  });
  const names = opCase.differentiable ?? all.filter(([, { dtype }]) => dtype === 'float').map(([name]) => name);
  const f = (...inputs: Tensor[]) => {
    const outputs = opCase.run(
      { ...Object.fromEntries(all), ...Object.fromEntries(names.map((name, i) => [name, inputs[i]])) },
      backend,
    );
    return Object.keys(outputs)
      .filter((name) => !opCase.seeded || opCase.seeded.includes(name))
      .map((name) => outputs[name]);
  };
  const dispose = () => {
    for (const [, each] of all) each.dispose();
  };
  const inputs = names.map((name) => all.find(([other]) => other === name)![1]);
  return { f, inputs, names, dispose };
}

describe('every gradient rule against central differences', () => {
  it.each(checked.map((opCase) => [opCase.name, opCase] as const))('%s', async (_, opCase) => {
    const { f, inputs, names, dispose } = asFunction(opCase);
    // Theory: truncation and rounding of the difference are about 4e-11 each; conditioning makes that 3e-8 at most here.
    const { inputs: report } = await gradcheck(f, inputs, { names, samples: 3, tolerance: 1e-7 });
    expect(report.map(({ name }) => name)).toEqual(names);
    dispose();
  });

  it('leaves no operation with a gradient out', () => {
    const ops = new Set(opCases.filter(({ differentiable }) => differentiable?.length !== 0).map(({ op }) => op));
    expect([...ops].filter((op) => !checked.some((opCase) => opCase.op === op))).toEqual([]);
  });

  it('leaves no buffer behind', () => {
    expect(backend.memory().buffers).toBe(0);
  });
});

describe('gradients where a function has a kink are conventions', () => {
  const gradient = async (f: (x: Tensor) => Tensor, values: number[]) => {
    const x = tensor(backend, values);
    return Array.from(await valueAndGrad(() => sum(f(x)), [x]).gradients[0].read());
  };

  it('relu and abs have slope 0 at 0, elu has 1', async () => {
    expect(await gradient(relu, [-1, 0, 1])).toEqual([0, 0, 1]);
    expect(await gradient(abs, [-2, 0, 2])).toEqual([-1, 0, 1]);
    expect(await gradient(elu, [0, 1])).toEqual([1, 1]);
  });

  it('equal largest or smallest elements share the gradient', async () => {
    expect(await gradient((x) => max(x), [3, 1, 3, 3])).toEqual([1 / 3, 0, 1 / 3, 1 / 3]);
    expect(await gradient((x) => max(x, [0], true), [2, 2])).toEqual([0.5, 0.5]);
  });

  it('of two equal arguments the first gets the gradient of maximum and minimum', async () => {
    const [x, y] = [tensor(backend, [1, 2, 3]), tensor(backend, [2, 2, 2])];
    for (const [f, dx] of [
      [maximum, [0, 1, 1]],
      [minimum, [1, 1, 0]],
    ] as const) {
      const { gradients } = valueAndGrad(() => sum(f(x, y)), [x, y]);
      expect(Array.from(await gradients[0].read())).toEqual(dx);
      expect(Array.from(await gradients[1].read())).toEqual(dx.map((value) => 1 - value));
    }
  });
});

describe('gradcheck', () => {
  const backend = float64Backend();
  const x = tensor(backend, [0.5, -1, 2, 0.25]);
  const y = tensor(backend, [1, 2, 3, 4]);
  /** x², whose rule is off by a factor at one element. */
  const wrongSquare = (factor: number) => {
    const op = defineOp<Record<never, never>>({
      name: 'wrongSquare',
      infer: ([input]) => [input!],
      compose: ([input]) => [square(input!)],
      saves: () => ({ inputs: [0] }),
      vjp: ({ inputs: [input], gradients: [dy] }) => [
        mul(mul(affine(input!, 2), dy!), tensor(backend, [1, 1, factor, 1])),
      ],
    });
    return (input: Tensor) => apply(op, [input], {})[0];
  };

  it('names the input and the element that are wrong', async () => {
    const f = (a: Tensor, b: Tensor) => [mul(a, b), wrongSquare(1 + 1e-4)(b)];
    const error = await gradcheck(f, [x, y], { names: ['a', 'b'] }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(GradientMismatchError);
    expect(error).toMatchObject({ code: 'GRADIENT_MISMATCH', argument: 'b', element: 2 });
    const { analytic, numeric } = error as GradientMismatchError;
    expect(Math.abs(analytic - numeric)).toBeGreaterThan(1e-5);
  });

  it('lets pass what is within the tolerance, and says how far off it was', async () => {
    const { inputs } = await gradcheck(wrongSquare(1 + 1e-9), [x]);
    expect(inputs[0]).toMatchObject({ name: 'inputs[0]', checked: 4 });
    expect(inputs[0].maxError).toBeLessThan(inputs[0].bound);
    await expect(gradcheck(wrongSquare(1 + 1e-4), [x], { tolerance: 1e-3 })).resolves.toBeDefined();
  });

  it('does not let NaN pass', async () => {
    const f = (input: Tensor) => exp(affine(input, Number.NaN));
    await expect(gradcheck(f, [x])).rejects.toBeInstanceOf(GradientMismatchError);
  });

  it('finds a forgotten dependence: the same tensor given twice has two gradients', async () => {
    const forgetful = defineOp<Record<never, never>>({
      name: 'forgetful',
      infer: ([input]) => [input!],
      compose: ([a, b]) => [add(a!, b!)],
      vjp: ({ gradients: [dy] }) => [dy],
    });
    await expect(gradcheck((a, b) => apply(forgetful, [a, b], {})[0], [x, x])).rejects.toMatchObject({
      argument: 'inputs[1]',
    });
    await expect(gradcheck((a, b) => mul(a, b), [x, x])).resolves.toBeDefined();
  });

  it('accepts an input that is not used', async () => {
    const { inputs } = await gradcheck((a) => square(a), [x, y]);
    expect(inputs[1]).toMatchObject({ largestGradient: 0, maxError: 0 });
  });

  it('checks as many elements as asked for, different ones', async () => {
    const large = tensor(
      backend,
      Float64Array.from({ length: 500 }, (_, i) => i / 100 - 2),
    );
    const { inputs } = await gradcheck((a) => exp(a), [large], { samples: 40 });
    expect(inputs[0].checked).toBe(40);
  });

  it('wants a float64 backend and at least one input', async () => {
    const half = { ...float64Backend(), dtype: 'float32' as const };
    await expect(gradcheck((a) => a, [tensor(half, [1])])).rejects.toMatchObject({ code: 'VALUE', argument: 'inputs' });
    await expect(gradcheck(() => x, [])).rejects.toMatchObject({ code: 'SHAPE', argument: 'inputs' });
  });

  it('leaves inputs as they are and nothing live, also when it throws', async () => {
    const before = backend.memory().buffers;
    await gradcheck((a, b) => [mul(a, b), exp(a)], [x, y]);
    await gradcheck(wrongSquare(2), [x]).catch(() => {});
    await gradcheck(() => {
      throw new RangeError('f');
    }, [x]).catch(() => {});
    expect(backend.memory().buffers).toBe(before);
    expect(Array.from(await x.read())).toEqual([0.5, -1, 2, 0.25]);
  });
});
