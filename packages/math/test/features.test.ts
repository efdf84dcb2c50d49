import { describe, expect, it } from 'vitest';
import {
  eluFeatures,
  type FeatureMap,
  favorFeatures,
  favorProjection,
  featureKernel,
  featureMapAttention,
  reluFeatures,
  taylorKernel,
} from '../src/features/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  affine,
  DenominatorError,
  linearAttention,
  mean,
  mul,
  ShapeError,
  scope,
  slice,
  square,
  sub,
  sum,
  type Tensor,
  tensor,
  ValueError,
  valueAndGrad,
  vjp,
} from '../src/index.ts';
import { softmaxAttention } from '../src/network/index.ts';
import { normal, relativeError, upload } from './attention-support.ts';

const backend = float64Backend();
const draw = (shape: readonly number[], seed: number, scale = 1) => upload(backend, normal(shape, seed, scale));
const numbers = (x: Tensor) => x.handle as Float64Array;
const dot = (x: Float64Array, y: Float64Array) => x.reduce((total, value, j) => total + value * y[j], 0);
const projection = favorProjection(backend, { headDim: 3, features: 7, key: [1, 2] });
const maps: Readonly<Record<string, FeatureMap>> = {
  elu: eluFeatures,
  relu: reluFeatures(),
  favor: favorFeatures(projection),
};

describe('feature maps: gradients against central differences', () => {
  for (const [name, featureMap] of Object.entries(maps)) {
    for (const mask of ['causal', 'bidirectional'] as const) {
      it(`${name}, ${mask}`, () => {
        const inputs = [1, 2, 3].map((seed) => draw([2, 5, 2, 3], seed));
        const dO = draw([2, 5, 2, 3], 4);
        const loss = () =>
          scope(() => sum(mul(featureMapAttention(inputs[0], inputs[1], inputs[2], { featureMap, mask }).output, dO)));
        const { gradients } = valueAndGrad(loss, inputs);
        const h = 1e-4;
        inputs.forEach((input, i) => {
          const x = numbers(input);
          const slopes = x.map((value, j) => {
            const at = (step: number) => {
              x[j] = value + step;
              return numbers(loss())[0];
            };
            const slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h);
            x[j] = value;
            return slope;
          });
          expect(relativeError(numbers(gradients[i]), slopes), 'qkv'[i]).toBeLessThan(1e-9);
        });
      });
    }
  }
});

describe('feature maps through attention', () => {
  const [q, k, v] = [1, 2, 3].map((seed) => draw([1, 24, 2, 3], seed));

  for (const [name, featureMap] of Object.entries(maps)) {
    it(`${name}: the weights of the definition`, () => {
      const { output } = featureMapAttention(q, k, v, { featureMap });
      const [fq, fk] = [featureMap(q, 'query'), featureMap(k, 'key')];
      const width = fq.shape[3];
      const feature = (x: Tensor, n: number, h: number) =>
        numbers(x).subarray((n * 2 + h) * width, (n * 2 + h + 1) * width);
      const truth = numbers(v).map((_, at) => {
        const [n, h, e] = [Math.floor(at / 6), Math.floor(at / 3) % 2, at % 3];
        let [above, below] = [0, 0];
        for (let m = 0; m <= n; m++) {
          const weight = dot(feature(fq, n, h), feature(fk, m, h));
          expect(weight).toBeGreaterThan(0);
          above += weight * numbers(v)[(m * 2 + h) * 3 + e];
          below += weight;
        }
        return above / below;
      });
      expect(relativeError(numbers(output), truth)).toBeLessThan(1e-13);
      const parts = linearAttention(fq, fk, v, featureKernel);
      expect(numbers(parts.output)).toEqual(numbers(output));
    });

    it(`${name}: later tokens change nothing earlier, and streaming is the full pass`, () => {
      const whole = featureMapAttention(q, k, v, { featureMap, returnState: true });
      const loud = [q, k, v].map((x) =>
        tensor(
          backend,
          numbers(x).map((value, i) => (i < 60 ? value : 30 * value)),
          x.shape,
        ),
      );
      const changed = featureMapAttention(loud[0], loud[1], loud[2], { featureMap });
      expect(numbers(changed.output).slice(0, 60)).toEqual(numbers(whole.output).slice(0, 60));
      for (let split = 1; split < 24; split++) {
        const part = (start: number, end: number, initialState?: Tensor) => {
          const [pq, pk, pv] = [q, k, v].map((x) => slice(x, 1, start, end));
          return featureMapAttention(pq, pk, pv, { featureMap, initialState, returnState: true });
        };
        const first = part(0, split);
        const second = part(split, 24, first.state);
        const both = [...numbers(first.output), ...numbers(second.output)];
        expect(relativeError(both, numbers(whole.output))).toBeLessThan(1e-12);
        expect(relativeError(numbers(second.state!), numbers(whole.state!))).toBeLessThan(1e-12);
      }
    });
  }

  it('elu and ReLU save what attention saves: 4 N D + N numbers a head', () => {
    for (const featureMap of [eluFeatures, reluFeatures()]) {
      const { savedElements, dispose } = vjp(() => [featureMapAttention(q, k, v, { featureMap }).output], [q, k, v]);
      // and the kernel [0, 1, 0]
      expect(savedElements()).toBe(2 * (4 * 24 * 3 + 24) + 3);
      dispose();
    }
  });

  it('gives back every buffer', () => {
    const own = float64Backend();
    const inputs = [1, 2, 3].map((seed) => upload(own, normal([1, 6, 1, 4], seed)));
    const before = own.memory().buffers;
    for (const featureMap of [eluFeatures, reluFeatures({ shift: 0.5 })]) {
      const { value, gradients } = valueAndGrad(
        () => sum(featureMapAttention(inputs[0], inputs[1], inputs[2], { featureMap }).output),
        inputs,
      );
      for (const x of [value, ...gradients]) x.dispose();
    }
    expect(own.memory().buffers).toBe(before);
  });
});

describe('elu(x) + 1 and ReLU', () => {
  it('elu(x) + 1 stays positive and exact far below 0', () => {
    const x = tensor(backend, [-700, -40, -1, -1e-20, 0, 1e-20, 2]);
    expect([...numbers(eluFeatures(x, 'key'))]).toEqual([Math.exp(-700), Math.exp(-40), Math.exp(-1), 1, 1, 1, 3]);
  });

  it('ReLU without a shift may see nothing, which strict reports; its shift is part of the map', async () => {
    const [q, k] = [1, -1].map((value) => tensor(backend, [value, value], [1, 1, 1, 2]));
    const v = tensor(backend, [5, 5], [1, 1, 1, 2]);
    const none = featureMapAttention(q, k, v, { featureMap: reluFeatures({ shift: 0 }), strict: true });
    await expect(none.output.read()).rejects.toBeInstanceOf(DenominatorError);
    const some = featureMapAttention(q, k, v, { featureMap: reluFeatures(), strict: true });
    expect(await some.output.read()).toEqual(Float64Array.of(5, 5));
    expect(numbers(reluFeatures({ shift: 0.25 })(tensor(backend, [-3, 2]), 'key'))).toEqual(
      Float64Array.of(0.25, 2.25),
    );
  });
});

describe('FAVOR+', () => {
  it('draws rows that are orthogonal within a block, as long as Gaussian vectors, and the same every time', () => {
    const [headDim, features] = [16, 40];
    const rows = numbers(favorProjection(backend, { headDim, features, key: [7, 7] }));
    expect(numbers(favorProjection(backend, { headDim, features, key: [7, 7] }))).toEqual(rows);
    expect(numbers(favorProjection(backend, { headDim, features, key: [7, 8] }))).not.toEqual(rows);
    const row = (i: number) => rows.subarray(i * headDim, (i + 1) * headDim);
    for (let i = 0; i < features; i++) {
      for (let j = i - (i % headDim); j < i; j++) expect(Math.abs(dot(row(i), row(j)))).toBeLessThan(1e-12);
    }
    const many = numbers(favorProjection(backend, { headDim, features: 4096 }));
    const squares = Array.from({ length: 4096 }, (_, i) =>
      dot(many.subarray(i * 16, i * 16 + 16), many.subarray(i * 16, i * 16 + 16)),
    );
    const average = squares.reduce((total, value) => total + value, 0) / 4096;
    const variance = squares.reduce((total, value) => total + (value - average) ** 2, 0) / 4096;
    // Chi-squared with 16 degrees of freedom: mean 16, variance 32.
    expect(Math.abs(average - 16)).toBeLessThan(0.5);
    expect(Math.abs(variance - 32)).toBeLessThan(4);
  });

  it('estimates exp(s q·k) without bias', () => {
    const [headDim, features] = [8, 20_000];
    const map = favorFeatures(favorProjection(backend, { headDim, features, key: [3, 0] }));
    const x = draw([1, 2, 1, headDim], 5);
    const [f0, f1] = [0, 1].map((n) => numbers(map(x, 'key')).subarray(n * features, (n + 1) * features));
    const truth = Math.exp(dot(numbers(x).subarray(0, headDim), numbers(x).subarray(headDim)) / Math.sqrt(headDim));
    expect(Math.abs(dot(f0, f1) / truth - 1)).toBeLessThan(0.05);
  });

  // (For long q and k the estimate has heavy tails, and the error falls more slowly at first.)
  it('nears softmax attention like 1 / √M', () => {
    const [q, k, v] = [11, 12, 13].map((seed) => draw([1, 32, 2, 8], seed, seed === 13 ? 1 : 0.35));
    for (const mask of ['causal', 'bidirectional'] as const) {
      const truth = numbers(softmaxAttention(q, k, v, { mask }));
      const errors = [32, 128, 512].map((features) => {
        const tries = Array.from({ length: 6 }, (_, seed) => {
          const own = favorProjection(backend, { headDim: 8, features, key: [seed, 99] });
          const { output } = featureMapAttention(q, k, v, { featureMap: favorFeatures(own), mask });
          return relativeError(numbers(output), truth);
        });
        return tries.reduce((total, error) => total + error, 0) / tries.length;
      });
      // Four times the features, half the error.
      for (let i = 1; i < errors.length; i++) {
        expect(errors[i - 1] / errors[i]).toBeGreaterThan(1.5);
        expect(errors[i - 1] / errors[i]).toBeLessThan(2.7);
      }
      expect(errors[2]).toBeLessThan(0.05);
    }
  });

  it('stays finite for long queries', () => {
    const [q, k, v] = [200, 1, 1].map((scale, i) => draw([1, 16, 1, 8], i + 1, scale));
    const own = favorProjection(backend, { headDim: 8, features: 32 });
    const { output, denominator } = featureMapAttention(q, k, v, { featureMap: favorFeatures(own) });
    expect(numbers(output).every(Number.isFinite)).toBe(true);
    expect(numbers(denominator).every((g) => g > 0)).toBe(true);
  });
});

describe('kernels of the polynomial itself', () => {
  it('Taylor: f = 1 + s x + s² x² / 2 never lets g under i / 2, and nears softmax attention for short q and k', () => {
    const [q, k, v] = [1, 2, 3].map((seed) => draw([1, 40, 2, 6], seed, 3));
    const { denominator } = linearAttention(q, k, v, taylorKernel(1 / Math.sqrt(6)));
    numbers(denominator).forEach((g, at) => {
      expect(g).toBeGreaterThanOrEqual((Math.floor(at / 2) + 1) / 2);
    });
    const error = (length: number) => {
      const [sq, sk] = [q, k].map((x) => affine(x, length));
      const { output } = linearAttention(sq, sk, v, taylorKernel(1 / Math.sqrt(6)));
      return relativeError(numbers(output), numbers(softmaxAttention(sq, sk, v)));
    };
    // The first term left out is s³ x³ / 6, and x is quadratic in the length: halving it takes the error down 64 times.
    expect(error(0.1) / error(0.05)).toBeGreaterThan(50);
    expect(error(0.05)).toBeLessThan(1e-3);
  });

  it('learnable coefficients: descent finds the kernel that made the data', () => {
    const [q, k, v] = [1, 2, 3].map((seed) => draw([1, 40, 1, 4], seed, 0.5));
    const truth = linearAttention(q, k, v, { a: 1, b: 0.3, c: 0.8 }).output;
    const coefficients = tensor(backend, [1, 1, 0]);
    const step = () => {
      const { value, gradients } = valueAndGrad(
        () => mean(square(sub(linearAttention(q, k, v, { coefficients, order: 2 }).output, truth))),
        [coefficients],
      );
      coefficients.assign(sub(coefficients, affine(gradients[0], 20)));
      return numbers(value)[0];
    };
    const first = step();
    let last = first;
    for (let i = 0; i < 300; i++) last = step();
    expect(last).toBeLessThan(1e-4 * first);
    const [a, b, c] = numbers(coefficients);
    expect(b / a).toBeCloseTo(0.3, 1);
    expect(c / a).toBeCloseTo(0.8, 1);
  });
});

describe('feature maps: bad arguments', () => {
  it('are typed errors that name them', () => {
    const caught = (body: () => unknown) => {
      try {
        body();
      } catch (error) {
        return error as ValueError | ShapeError;
      }
      throw new Error('nothing was thrown');
    };
    const cases = [
      [() => reluFeatures({ shift: -1 }), ValueError, 'shift'],
      [() => reluFeatures({ shift: Number.NaN }), ValueError, 'shift'],
      [() => favorProjection(backend, { headDim: 0 }), ValueError, 'headDim'],
      [() => favorProjection(backend, { headDim: 2, features: 1.5 }), ValueError, 'features'],
      [() => favorFeatures(projection, { scale: 0 }), ValueError, 'scale'],
      [() => favorFeatures(tensor(backend, [1, 2])), ShapeError, 'projection'],
      [() => favorFeatures(projection)(draw([1, 2, 1, 4], 1), 'query'), ShapeError, 'query'],
      [() => favorFeatures(projection)(draw([1, 2, 1, 4], 1), 'key'), ShapeError, 'key'],
      [() => taylorKernel(Number.POSITIVE_INFINITY), ValueError, 'scale'],
    ] as const;
    for (const [body, type, argument] of cases) {
      const error = caught(body);
      expect(error).toBeInstanceOf(type);
      expect(error.argument).toBe(argument);
    }
  });
});
