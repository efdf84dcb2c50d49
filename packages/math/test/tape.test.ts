import { describe, expect, it } from 'vitest';
import { float64Backend } from '../src/float64/index.ts';
import {
  add,
  affine,
  apply,
  type Backend,
  bernoulli,
  defineOp,
  exp,
  fill,
  gather,
  ge,
  indices,
  linearAttention,
  MissingGradientError,
  matmul,
  max,
  mul,
  neg,
  oneHot,
  reshape,
  ShapeError,
  scope,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  TensorUseError,
  tensor,
  untaped,
  valueAndGrad,
  vjp,
} from '../src/index.ts';

const numbers = async (x: Tensor) => Array.from(await x.read());
const fresh = () => {
  const backend = float64Backend();
  return { backend, live: () => backend.memory().buffers, x: tensor(backend, [1, -2, 3]) };
};

describe('gradients', () => {
  it('add up over every use of a tensor', async () => {
    const { x } = fresh();
    // d/dx Σ (x² + 3x + x·x) = 4x + 3
    const { value, gradients } = valueAndGrad(() => sum(add(add(square(x), affine(x, 3)), mul(x, x))), [x]);
    expect(await value.item()).toBe(2 * 14 + 3 * 2);
    expect(await numbers(gradients[0])).toEqual([7, -5, 15]);
  });

  it('add up along separate paths of different depth', async () => {
    const { x } = fresh();
    const { gradients } = valueAndGrad(() => {
      const y = neg(x);
      const z = mul(y, x);
      return sum(add(z, y));
    }, [x]);
    expect(await numbers(gradients[0])).toEqual([-3, 3, -7]);
  });

  it('are zeros for what the result does not depend on', async () => {
    const { backend, x } = fresh();
    const unused = tensor(backend, [1, 2], [1, 2]);
    const { gradients } = valueAndGrad(() => sum(x), [unused, x]);
    expect(gradients[0].shape).toEqual([1, 2]);
    expect(await numbers(gradients[0])).toEqual([0, 0]);
    expect(await numbers(gradients[1])).toEqual([1, 1, 1]);
  });

  it('stop at untaped parts and at flat functions', async () => {
    const { x } = fresh();
    const stopped = valueAndGrad(
      () =>
        sum(
          mul(
            x,
            untaped(() => square(x)),
          ),
        ),
      [x],
    );
    expect(await numbers(stopped.gradients[0])).toEqual([1, 4, 9]);
    const flat = valueAndGrad(() => sum(mul(x, ge(x, fill(x.backend, [1], 0)))), [x]);
    expect(await numbers(flat.gradients[0])).toEqual([1, 0, 1]);
  });

  it('of several outputs take one upstream gradient each', async () => {
    const { backend, x } = fresh();
    const { outputs, pullback } = vjp(() => [square(x), sum(x), x] as const, [x]);
    expect(await numbers(outputs[0])).toEqual([1, 4, 9]);
    const seeds = [tensor(backend, [1, 10, 100]), tensor(backend, 5), tensor(backend, [0.5, 0.5, 0.5])];
    const [dx] = pullback(seeds);
    expect(await numbers(dx)).toEqual([2 + 5.5, -40 + 5.5, 600 + 5.5]);
  });

  it('of the same output twice add up', async () => {
    const { backend, x } = fresh();
    const { pullback } = vjp(() => {
      const y = square(x);
      return [y, y] as const;
    }, [x]);
    const seed = fill(backend, [3], 1);
    expect(await numbers(pullback([seed, seed])[0])).toEqual([4, -8, 12]);
  });

  it('with respect to a tensor and to what was made of it', async () => {
    const { backend, x } = fresh();
    let middle: Tensor | undefined;
    const outer = vjp(() => {
      middle = square(x);
      return [sum(middle)] as const;
    }, [x]);
    expect(await numbers(outer.pullback([tensor(backend, 2)])[0])).toEqual([4, -8, 12]);
    expect(middle!.disposed).toBe(true);
  });

  it('flow through only one output of an operation with several', async () => {
    const { backend, live } = fresh();
    const before = live();
    const q = tensor(backend, [0.1, 0.2, 0.3, 0.4], [1, 2, 1, 2]);
    const { pullback, outputs } = vjp(() => [linearAttention(q, q, q, { returnState: true }).state!] as const, [q]);
    const seed = fill(backend, outputs[0].shape, 1);
    const [dq] = pullback([seed]);
    // The state is Σ [1, k] [v, 1]ᵀ with k = v = q: its sum is Σ_n (1 + k_n·1) (v_n·1 + 1).
    const totals = [0.1 + 0.2, 0.3 + 0.4].map((t) => 2 * (1 + t));
    (await numbers(dq)).forEach((value, i) => {
      expect(value).toBeCloseTo(totals[i >> 1], 12);
    });
    for (const each of [q, seed, dq, ...outputs]) each.dispose();
    expect(live()).toBe(before);
  });
});

describe('missing gradients', () => {
  it('throw by the name of the operation, when it runs', () => {
    const { x } = fresh();
    const rounded = defineOp<Record<never, never>>({
      name: 'roundHalfUp',
      infer: ([input]) => [input!],
      compose: ([input]) => [affine(input!, 1)],
    });
    const run = () => valueAndGrad(() => sum(apply(rounded, [x], {})[0]), [x]);
    expect(run).toThrow(MissingGradientError);
    expect(run).toThrow(/roundHalfUp/);
  });

  it("are named for attention's denominator and key weights", () => {
    const { backend } = fresh();
    const q = tensor(backend, [0.1, 0.2], [1, 2, 1, 1]);
    const weights = fill(backend, [1, 2, 1], 1);
    expect(() => valueAndGrad(() => sum(linearAttention(q, q, q).denominator), [q])).toThrow(/denominator/);
    expect(() => valueAndGrad(() => sum(linearAttention(q, q, q, { keyWeights: weights }).output), [weights])).toThrow(
      /keyWeights/,
    );
  });

  it('are told of gradients themselves; within untaped they are constants', async () => {
    const { x } = fresh();
    const slope = () => valueAndGrad(() => sum(square(x)), [x]).gradients[0];
    expect(() => valueAndGrad(() => sum(mul(x, slope())), [x])).toThrow(MissingGradientError);
    const { gradients } = valueAndGrad(() => sum(mul(x, untaped(slope))), [x]);
    expect(await numbers(gradients[0])).toEqual([2, -4, 6]);
  });

  it('do not matter off the path', async () => {
    const { backend, x } = fresh();
    const ids = indices(backend, [0, 2, 1]);
    const { gradients } = valueAndGrad(() => {
      const mask = bernoulli(backend, { shape: [3], key: [1, 2], stream: [0, 0], probability: 1 });
      return sum(mul(mul(x, mask), sum(oneHot(ids, 3), [0])));
    }, [x]);
    expect(await numbers(gradients[0])).toEqual([1, 1, 1]);
  });
});

describe('what the tape holds', () => {
  const layered = (backend: Backend, x: Tensor) => () => {
    const weight = tensor(backend, [1, 2, 3, 4, 5, 6, 7, 8, 9], [3, 3]);
    const hidden = scope(() => exp(affine(matmul(reshape(x, [1, 3]), weight), 0.01)));
    return sum(square(sub(max(hidden, [1]), slice(hidden, 1, 0, 1))));
  };

  it('is all given back by pullback', () => {
    const { backend, live, x } = fresh();
    const before = live();
    const { value, gradients } = valueAndGrad(layered(backend, x), [x]);
    expect(live()).toBe(before + 2);
    value.dispose();
    for (const gradient of gradients) gradient.dispose();
    expect(live()).toBe(before);
  });

  it('is all given back by dispose, when pullback is never called', () => {
    const { backend, live, x } = fresh();
    const before = live();
    const { outputs, dispose } = vjp(() => [layered(backend, x)()], [x]);
    expect(live()).toBeGreaterThan(before + 1);
    dispose();
    dispose();
    outputs[0].dispose();
    expect(live()).toBe(before);
  });

  it('is all given back when the function throws', () => {
    const { backend, live, x } = fresh();
    const before = live();
    expect(() =>
      valueAndGrad(() => {
        const y = layered(backend, x)();
        return matmul(y, y);
      }, [x]),
    ).toThrow(ShapeError);
    expect(() => valueAndGrad(() => square(x), [x])).toThrow(/f\(\)/);
    expect(live()).toBe(before);
  });

  it('is all given back when a gradient rule throws', () => {
    const { live, x } = fresh();
    const before = live();
    const broken = defineOp<Record<never, never>>({
      name: 'broken',
      infer: ([input]) => [input!],
      compose: ([input]) => [affine(input!, 1)],
      saves: () => ({ inputs: [0], outputs: [0] }),
      vjp: ({ gradients: [dy] }) => {
        square(dy!);
        throw new RangeError('no rule after all');
      },
    });
    const run = () => valueAndGrad(() => sum(square(apply(broken, [square(x)], {})[0])), [x]);
    expect(run).toThrow(RangeError);
    expect(live()).toBe(before);
    expect(() => scope(run)).toThrow(RangeError);
    expect(live()).toBe(before);
    // and recording is off again
    valueAndGrad(() => sum(x), [x]).gradients[0].dispose();
  });

  it('outlives the scopes that its tensors were made in', async () => {
    const { x } = fresh();
    const { gradients } = valueAndGrad(() => scope(() => sum(scope(() => mul(exp(x), exp(x))))), [x]);
    (await numbers(gradients[0])).forEach((value, i) => {
      expect(value).toBeCloseTo(2 * Math.exp(2 * [1, -2, 3][i]), 8);
    });
  });

  it('is counted once a buffer', () => {
    const { x } = fresh();
    const { savedElements, dispose } = vjp(() => {
      const y = exp(x);
      return [mul(y, reshape(y, [3]))];
    }, [x]);
    // y for exp and for both factors
    expect(savedElements()).toBe(3);
    dispose();
    const product = vjp(() => [mul(x, x)], [x]);
    expect([product.savedElements(), product.savedElements([x])]).toEqual([3, 0]);
    product.dispose();
  });

  it('is nothing for a constant factor of a constant', () => {
    const { backend, x } = fresh();
    const weight = tensor(backend, [1, 2, 3]);
    const { savedElements, dispose } = vjp(() => [add(mul(x, weight), mul(weight, weight))], [x]);
    expect(savedElements()).toBe(weight.size);
    dispose();
  });
});

describe('pullback', () => {
  it('refuses a second call, which could only give zeros', () => {
    const { backend, live, x } = fresh();
    const { pullback } = vjp(() => [sum(x)], [x]);
    const seed = tensor(backend, 1);
    pullback([seed]);
    const before = live();
    expect(() => pullback([seed])).toThrow(TensorUseError);
    expect(live()).toBe(before);
  });

  it('wants one seed an output, of its shape', () => {
    const { backend, x } = fresh();
    const { pullback, dispose } = vjp(() => [square(x)], [x]);
    expect(() => pullback([])).toThrow(/seeds/);
    expect(() => pullback([tensor(backend, 1)])).toThrow(/seeds\[0\]/);
    dispose();
  });

  it('leaves the seeds alone', () => {
    const { backend, x } = fresh();
    const seed = fill(backend, [3], 1);
    const [dx] = vjp(() => [affine(x, 1)], [x]).pullback([seed]);
    expect(seed.disposed).toBe(false);
    dx.dispose();
    expect(seed.disposed).toBe(false);
  });

  it('works inside a scope, whose end does not dispose the gradients', async () => {
    const { x, live } = fresh();
    const gradients = scope(() => {
      valueAndGrad(() => sum(square(x)), [x]).gradients[0].dispose();
      const table = reshape(x, [3, 1]);
      const found = valueAndGrad(() => sum(gather(table, indices(x.backend, [2, 2, 0]))), [table]);
      return { list: found.gradients };
    }).list;
    expect(await numbers(gradients[0])).toEqual([1, 0, 2]);
    expect(live()).toBe(2);
  });
});
