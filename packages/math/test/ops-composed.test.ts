import { describe, expect, it } from 'vitest';
import { compare, coreOnly } from '../src/conformance/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  add,
  affine,
  type Backend,
  div,
  exp,
  fill,
  indices,
  LimitError,
  l2Normalize,
  linear,
  type Mask,
  matmul,
  max,
  mul,
  philoxFill,
  random,
  sees,
  sub,
  sum,
  type Tensor,
  tensor,
  transpose,
  tripleProduct,
  valueAndGrad,
  vjp,
} from '../src/index.ts';
import {
  type AdamWGroup,
  adamW,
  crossEntropy,
  layerNorm,
  linearCrossEntropy,
  rmsNorm,
  rotary,
  softmaxAttention,
  weightedLinearCrossEntropy,
} from '../src/network/index.ts';

// Operations beyond the core against their definitions, written as loops. The core alone: kernels are held to it elsewhere.
const backend = coreOnly(float64Backend());
const draw = (seed: number, ...shape: number[]): Tensor =>
  random(backend, { shape, distribution: 'normal', key: [seed, 0], stream: [0, 0] });
const numbers = async (x: Tensor) => Float64Array.from(await x.read());

async function expectClose(found: Tensor, expected: ArrayLike<number>): Promise<void> {
  const { normError, maxError, finite } = compare('x', await found.read(), expected);
  expect(finite).toBe(true);
  expect(Math.max(normError, maxError)).toBeLessThan(1e-12);
}

describe('normalisations', () => {
  const [rows, width] = [5, 7];
  const [x, weight, bias] = [affine(draw(1, rows, width), 2, 3), draw(2, width), draw(3, width)];

  it('layerNorm', async () => {
    const [a, w, b] = await Promise.all([x, weight, bias].map(numbers));
    const expected = a.map((value, at) => {
      const row = a.subarray(at - (at % width), at - (at % width) + width);
      const mu = row.reduce((t, v) => t + v, 0) / width;
      const variance = row.reduce((t, v) => t + (v - mu) ** 2, 0) / width;
      return ((value - mu) / Math.sqrt(variance + 1e-5)) * w[at % width] + b[at % width];
    });
    await expectClose(layerNorm(x, weight, bias), expected);
  });

  it('rmsNorm', async () => {
    const [a, w] = await Promise.all([x, weight].map(numbers));
    const expected = a.map((value, at) => {
      const row = a.subarray(at - (at % width), at - (at % width) + width);
      const square = row.reduce((t, v) => t + v * v, 0) / width;
      return (value / Math.sqrt(square + 0.01)) * w[at % width];
    });
    await expectClose(rmsNorm(x, weight, 0.01), expected);
  });

  it('l2Normalize gives every vector the same length, and leaves 0 and its gradient at 0', async () => {
    const y = await numbers(l2Normalize(x, 0.97));
    for (let row = 0; row < rows; row++) {
      expect(Math.hypot(...y.subarray(row * width, (row + 1) * width))).toBeCloseTo(0.97, 14);
    }
    const zero = fill(backend, [2, 3], 0);
    const { value, gradients } = valueAndGrad(() => sum(l2Normalize(zero)), [zero]);
    expect([await value.item(), ...(await numbers(gradients[0]))]).toEqual([0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('cross entropy', () => {
  const [rows, width, classes] = [6, 4, 9];
  const targets = [0, 8, 3, 3, 5, 1];
  const ids = indices(backend, targets);

  it('is -log softmax at the target', async () => {
    const logits = affine(draw(4, rows, classes), 5, 300);
    const values = await numbers(logits);
    const expected = targets.map((target, row) => {
      const own = values.subarray(row * classes, (row + 1) * classes);
      return Math.log(own.reduce((total, v) => total + Math.exp(v - own[target]), 0));
    });
    await expectClose(crossEntropy(logits, ids), expected);
  });

  it('has softmax - onehot as gradient', async () => {
    const logits = draw(5, rows, classes);
    const { gradients } = valueAndGrad(() => sum(crossEntropy(logits, ids)), [logits]);
    const values = await numbers(logits);
    const expected = values.map((value, at) => {
      const row = Math.floor(at / classes);
      const total = values.subarray(row * classes, (row + 1) * classes).reduce((t, v) => t + Math.exp(v), 0);
      return Math.exp(value) / total - (targets[row] === at % classes ? 1 : 0);
    });
    await expectClose(gradients[0], expected);
  });

  const both = async (x: Tensor, weight: Tensor, labels: Tensor) => {
    const fused = valueAndGrad(() => sum(linearCrossEntropy(x, weight, labels)), [x, weight]);
    const plain = valueAndGrad(() => sum(crossEntropy(linear(x, weight), labels)), [x, weight]);
    await expectClose(fused.value, await plain.value.read());
    for (const i of [0, 1]) await expectClose(fused.gradients[i], await plain.gradients[i].read());
    for (const each of [...fused.gradients, ...plain.gradients, fused.value, plain.value]) each.dispose();
  };

  it('with the linear map before it is the same, with gradients', async () => {
    await both(draw(6, rows, width), draw(7, classes, width), ids);
  });

  it('goes over rows block by block where all logits would be over a limit', async () => {
    const inner = float64Backend();
    const limited = { ...inner, limits: { maxElements: 2 * classes * width } };
    const on = async (place: Backend, loss: (x: Tensor, weight: Tensor, labels: Tensor) => Tensor) => {
      const [x, weight] = await Promise.all([draw(8, 12, width), draw(9, classes, width)].map(numbers));
      const inputs = [tensor(place, x, [12, width]), tensor(place, weight, [classes, width])];
      const labels = indices(place, [...targets, ...targets]);
      return valueAndGrad(() => sum(loss(inputs[0], inputs[1], labels)), inputs);
    };
    const plain = (x: Tensor, weight: Tensor, labels: Tensor) => crossEntropy(linear(x, weight), labels);
    await expect(on(limited, plain)).rejects.toThrow(LimitError);
    const [found, expected] = [await on(limited, linearCrossEntropy), await on(inner, plain)];
    await expectClose(found.value, await expected.value.read());
    for (const i of [0, 1]) await expectClose(found.gradients[i], await expected.gradients[i].read());
  });
});

describe('weighted linear cross entropy', () => {
  const [rows, width, classes] = [6, 4, 9];
  const targets = [0, 8, 3, 3, 5, 1];
  const ids = indices(backend, targets);
  const [x, weight] = [draw(6, rows, width), draw(7, classes, width)];
  const weights = tensor(backend, [0.5, 0, -1, 2, 0.25, 1]);
  const plainly = (each: Tensor) => sum(mul(crossEntropy(linear(x, weight), ids), each));

  it('is Σ weights (-log softmax at the target), with its gradients, also times an upstream one', async () => {
    const logits = await numbers(matmul(x, weight, false, true));
    const factors = await numbers(weights);
    const expected = targets.map((target, row) => {
      const own = logits.subarray(row * classes, (row + 1) * classes);
      return factors[row] * Math.log(own.reduce((total, v) => total + Math.exp(v - own[target]), 0));
    });
    const total = expected.reduce((total, value) => total + value);
    const wrt = [x, weight, weights];
    const fused = valueAndGrad(() => affine(weightedLinearCrossEntropy(x, weight, ids, weights), -3), wrt);
    const plain = valueAndGrad(() => affine(plainly(weights), -3), wrt);
    await expectClose(fused.value, [-3 * total]);
    for (const i of [0, 1, 2]) await expectClose(fused.gradients[i], await plain.gradients[i].read());
  });

  it.each([[[0]], [[1]], [[2]], [[1, 2]], [[0, 2]]])(
    'gives the gradients that are asked for alone: %j',
    async (which) => {
      const wrt = which.map((i) => [x, weight, weights][i]);
      const fused = valueAndGrad(() => weightedLinearCrossEntropy(x, weight, ids, weights), wrt);
      const plain = valueAndGrad(() => plainly(weights), wrt);
      await expectClose(fused.value, await plain.value.read());
      for (const i of wrt.keys()) await expectClose(fused.gradients[i], await plain.gradients[i].read());
    },
  );

  it('has the linear map used twice, and its gradients add up', async () => {
    const twice = (loss: (each: Tensor) => Tensor) => () => add(loss(weights), loss(affine(weights, 0.5, 1)));
    const fused = valueAndGrad(
      twice((each) => weightedLinearCrossEntropy(x, weight, ids, each)),
      [x, weight],
    );
    const plain = valueAndGrad(twice(plainly), [x, weight]);
    for (const i of [0, 1]) await expectClose(fused.gradients[i], await plain.gradients[i].read());
  });

  it('makes gradients in forward where they are asked for, and only there', () => {
    const called: string[] = [];
    const inner = float64Backend();
    const watched = Object.entries(coreOnly(inner).kernels).map(([name, kernel]) => {
      const watch = (...call: Parameters<typeof kernel>) => {
        called.push(name);
        return (kernel as (...call: unknown[]) => unknown)(...call);
      };
      return [name, watch];
    });
    const place = { ...inner, kernels: Object.fromEntries(watched) } as Backend;
    const [a, w] = [fill(place, [rows, width], 1), fill(place, [classes, width], 1)];
    const labels = indices(place, targets);
    const each = fill(place, [rows], 1);
    const loss = () => weightedLinearCrossEntropy(a, w, labels, each);
    const products = () => called.splice(0).filter((name) => name === 'matmul').length;
    const forwardOnly = loss();
    expect(products()).toBe(1);
    const { outputs, savedElements, pullback } = vjp(() => [loss()], [a, w]);
    // Composed, the logits are made twice; a kernel makes them once.
    expect(products()).toBe(4);
    expect(savedElements()).toBe(a.size + w.size);
    const gradients = pullback([fill(place, [], 1)]);
    expect(products()).toBe(0);
    const frozen = vjp(() => [loss()], [each]);
    expect(products()).toBe(1);
    for (const tensor of [...outputs, ...gradients, ...frozen.outputs, forwardOnly]) tensor.dispose();
    frozen.dispose();
    // The four inputs and the seed.
    expect(place.memory().buffers).toBe(5);
  });
});

describe('rotary', () => {
  const x = draw(10, 2, 5, 3, 8);

  it('turns feature i with feature i + dimensions / 2 by position · base^(-2i/dimensions)', async () => {
    const [offset, dimensions, base] = [7, 6, 100];
    const values = await numbers(x);
    const expected = values.map((value, at) => {
      const i = at % 8;
      if (i >= dimensions) return value;
      const position = offset + (Math.floor(at / 24) % 5);
      const angle = position * base ** ((-2 * (i % 3)) / dimensions);
      const other = values[i < 3 ? at + 3 : at - 3];
      return value * Math.cos(angle) + (i < 3 ? -other : other) * Math.sin(angle);
    });
    await expectClose(rotary(x, { offset, dimensions, base }), expected);
  });

  it('is undone by its inverse', async () => {
    await expectClose(rotary(rotary(x, { offset: 3 }), { offset: 3, inverse: true }), await x.read());
  });

  it('makes products depend on the distance of positions only', async () => {
    const [q, k] = [draw(11, 1, 1, 1, 8), draw(12, 1, 1, 1, 8)];
    const product = (i: number, j: number) => sum(mul(rotary(q, { offset: i }), rotary(k, { offset: j }))).item();
    expect(await product(9, 4)).toBeCloseTo(await product(105, 100), 11);
    expect(await product(9, 4)).not.toBeCloseTo(await product(9, 5), 3);
  });
});

describe('tripleProduct', () => {
  const [batch, tokens, heads, features, width] = [2, 70, 2, 3, 4];
  const x = draw(13, batch, tokens, heads, features);
  const y = draw(14, batch, tokens, heads, features);
  const z = draw(15, batch, tokens, heads, width);
  const state = draw(16, batch, heads, features, width);

  it.each(['forward', 'reverse', 'all'] as const)(
    '%s is Σ_n (x_i · y_n) z_n, after the initial state',
    async (direction) => {
      const [a, b, c, s] = await Promise.all([x, y, z, state].map(numbers));
      const at = (n: number, t: number, h: number, i: number, size: number) =>
        ((n * tokens + t) * heads + h) * size + i;
      const expected = new Float64Array(batch * tokens * heads * width);
      const total = s.slice();
      for (let n = 0; n < batch; n++)
        for (let h = 0; h < heads; h++)
          for (let i = 0; i < tokens; i++)
            for (let e = 0; e < width; e++)
              for (let f = 0; f < features; f++) {
                const row = ((n * heads + h) * features + f) * width + e;
                total[row] += b[at(n, i, h, f, features)] * c[at(n, i, h, e, width)];
                let running = s[row];
                for (let m = 0; m < tokens; m++) {
                  if (direction === 'forward' ? m > i : direction === 'reverse' && m < i) continue;
                  running += b[at(n, m, h, f, features)] * c[at(n, m, h, e, width)];
                }
                expected[at(n, i, h, e, width)] += a[at(n, i, h, f, features)] * running;
              }
      const found = tripleProduct(x, y, z, { direction, initialState: state, returnState: true });
      await expectClose(found.output, expected);
      await expectClose(found.state!, total);
    },
  );

  it('has no state unless asked', () => {
    expect(tripleProduct(x, y, z).state).toBeUndefined();
  });
});

describe('softmaxAttention', () => {
  /** By definition: all scores at once, gradients by the tape. */
  function naive(q: Tensor, k: Tensor, v: Tensor, mask: Mask, prefix: number, scale: number): Tensor {
    const heads = (t: Tensor) => transpose(t, [0, 2, 1, 3]);
    const [queries, keys] = [q.shape[1], k.shape[1]];
    const hidden = Array.from({ length: queries * keys }, (_, at) =>
      sees(mask, prefix, Math.floor(at / keys), at % keys) ? 0 : -1e30,
    );
    const scores = add(
      affine(matmul(heads(q), heads(k), false, true), scale),
      tensor(backend, hidden, [queries, keys]),
    );
    const weights = exp(sub(scores, max(scores, [-1], true)));
    return heads(matmul(div(weights, sum(weights, [-1], true)), heads(v)));
  }

  it.each([
    ['causal', 0, 130, 130],
    ['bidirectional', 0, 5, 131],
    ['bidirectional', 0, 130, 3],
    ['prefix', 0, 9, 9],
    ['prefix', 129, 140, 140],
    ['prefix', 40, 140, 140],
  ] as [Mask, number, number, number][])('%s %d, %d queries, %d keys', async (mask, prefix, queries, keys) => {
    const inputs = [draw(17, 2, queries, 2, 4), draw(18, 2, keys, 2, 4), draw(19, 2, keys, 2, 3)] as const;
    const upstream = draw(20, 2, queries, 2, 3);
    const run = (attend: () => Tensor) => {
      let output: Tensor | undefined;
      const { gradients } = valueAndGrad(() => {
        output = attend();
        return sum(mul(output, upstream));
      }, inputs);
      return { output: attend(), gradients };
    };
    const options = { mask, ...(mask === 'prefix' ? { prefix } : {}) };
    const found = run(() => softmaxAttention(...inputs, options));
    const expected = run(() => naive(...inputs, mask, prefix, 1 / 2));
    await expectClose(found.output, await expected.output.read());
    for (const i of [0, 1, 2]) await expectClose(found.gradients[i], await expected.gradients[i].read());
  });

  it('saves q, k, v, o and one number a row', async () => {
    const [q, k, v] = [draw(21, 1, 300, 2, 4), draw(22, 1, 300, 2, 4), draw(23, 1, 300, 2, 4)];
    const { savedElements, dispose } = vjp(() => [softmaxAttention(q, k, v)], [q, k, v]);
    expect(savedElements()).toBe(4 * q.size + 300 * 2);
    dispose();
  });
});

describe('random', () => {
  it('is philoxFill of the same key and stream', async () => {
    const attributes = { shape: [3, 7], distribution: 'normal', key: [5, 6], stream: [7, 8] } as const;
    expect(await random(backend, attributes).read()).toEqual(
      philoxFill(new Float64Array(21), 'normal', [5, 6], [7, 8]),
    );
  });
});

describe('adamW', () => {
  const options = { learningRate: 0.05, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };

  it('is the published update, in place, for several groups and steps', async () => {
    const sizes = [3, 5];
    const weightDecay = [0.1, 0];
    const gradientScale = 0.5;
    const groups: AdamWGroup[] = sizes.map((size, i) => ({
      parameter: draw(30 + i, size),
      gradient: draw(40 + i, size),
      moment1: fill(backend, [size], 0),
      moment2: fill(backend, [size], 0),
    }));
    const expected = await Promise.all(groups.map(async ({ parameter }) => numbers(parameter)));
    const gradients = await Promise.all(groups.map(async ({ gradient }) => numbers(gradient)));
    const moments = sizes.map((size) => ({ m: new Float64Array(size), v: new Float64Array(size) }));
    const ids = groups.map(({ parameter }) => parameter.id);
    const before = backend.memory().buffers;
    for (let step = 1; step <= 4; step++) {
      const scale = tensor(backend, gradientScale);
      adamW(groups, scale, { ...options, step, weightDecay });
      scale.dispose();
      expected.forEach((p, i) => {
        const { m, v } = moments[i];
        gradients[i].forEach((raw, j) => {
          const g = raw * gradientScale;
          m[j] = options.beta1 * m[j] + (1 - options.beta1) * g;
          v[j] = options.beta2 * v[j] + (1 - options.beta2) * g * g;
          const [mHat, vHat] = [m[j] / (1 - options.beta1 ** step), v[j] / (1 - options.beta2 ** step)];
          p[j] -= options.learningRate * (mHat / (Math.sqrt(vHat) + options.epsilon) + weightDecay[i] * p[j]);
        });
      });
    }
    expect(backend.memory().buffers).toBe(before);
    expect(groups.map(({ parameter }) => parameter.id)).toEqual(ids);
    for (const [i, { parameter, moment1, moment2 }] of groups.entries()) {
      await expectClose(parameter, expected[i]);
      await expectClose(moment1, moments[i].m);
      await expectClose(moment2, moments[i].v);
    }
  });

  it('accepts no groups', () => {
    adamW([], tensor(backend, 1), { ...options, step: 1, weightDecay: [] });
  });
});
