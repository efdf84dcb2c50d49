import { describe, expect, it } from 'vitest';
import {
  type CaseReport,
  compare,
  conformanceTable,
  coreOnly,
  failureOf,
  type OpCase,
  opCase,
  opCases,
  recordCase,
  runCase,
  runConformance,
  timeCase,
  tolerances,
} from '../src/conformance/index.ts';
import { given, integers, materialise, normal } from '../src/conformance/inputs.ts';
import { float64Backend } from '../src/float64/index.ts';
import {
  affine,
  type Backend,
  exp,
  type Kernel,
  type KernelTable,
  LimitError,
  oneHot,
  scope,
  square,
} from '../src/index.ts';
import { roundingBackend } from './helpers/float32-backend.ts';

const small = opCases.filter(({ size }) => size === 'small');
const named = (cases: readonly OpCase[]) => cases.map((each) => [each.name, each] as const);
const kernelsOf = (backend: Backend) => backend.kernels as Readonly<Record<string, Kernel<never>>>;

describe('float64 kernels against the same operations composed of core ones', () => {
  const backend = float64Backend();
  const composed = coreOnly(float64Backend());
  const fused = small.filter(({ op, tags }) => tags.includes('fused') && op in backend.kernels);
  it.each(named(fused))('%s', async (_, each) => {
    expect(failureOf(await runCase(backend, each, composed))).toBeUndefined();
  });
});

describe('rounding every step to float32 stays within the float32 tolerance', () => {
  const backend = roundingBackend();
  const reference = float64Backend();
  it.each(named(small))('%s', async (_, each) => {
    expect(failureOf(await runCase(backend, each, reference))).toBeUndefined();
  });
});

describe('the registry', () => {
  it('has a case for every operation', () => {
    const ops = new Set(opCases.map(({ op }) => op));
    const kernels =
      'fill unary binary affine reduce broadcast matmul transpose slice pad concat gather scatterAdd oneHot linear random rotary l2Normalize layerNorm rmsNorm crossEntropy linearCrossEntropy weightedLinearCrossEntropy tripleProduct linearAttention softmaxAttention squaredNorm adamW';
    expect(kernels.split(' ').filter((op) => !ops.has(op as OpCase['op']))).toEqual([]);
  });

  it('reaches every kernel of a backend, those of backward operations through gradients', async () => {
    const called = new Set<string>();
    const inner = float64Backend();
    const watched = Object.entries(kernelsOf(inner)).map(([name, kernel]) => {
      const watch: Kernel<never> = (...call) => {
        called.add(name);
        return kernel(...call);
      };
      return [name, watch];
    });
    const backend: Backend = { ...inner, kernels: Object.fromEntries(watched) as KernelTable };
    const first = new Map(small.toReversed().map((each) => [each.op, each]));
    for (const each of first.values()) await runCase(backend, each);
    expect([...called].toSorted()).toEqual(Object.keys(inner.kernels).toSorted());
  });

  it('names every case once, with the operation first', () => {
    expect(new Set(opCases.map(({ name }) => name)).size).toBe(opCases.length);
    expect(opCases.every(({ name, op }) => name.startsWith(`${op}: `))).toBe(true);
  });

  it('draws the same inputs every time, by name; others for another name', () => {
    const spec = normal([7]);
    const at = (name: string, position = 0) => Array.from(materialise(spec, name, position, 'float64'));
    expect(at('x')).toEqual(at('x'));
    expect(at('x')).not.toEqual(at('y'));
    expect(at('x')).not.toEqual(at('x', 1));
    expect(Array.from(materialise(spec, 'x', 0, 'float32'))).toEqual(at('x').map(Math.fround));
    expect(materialise(integers([50], -2, 3), 'x', 0, 'float32')).toBeInstanceOf(Int32Array);
  });

  it('states its tolerances once', () => {
    expect(tolerances).toEqual({ float64: 1e-10, float32: 1e-5 });
  });
});

describe('compare', () => {
  it('measures norm and largest error', () => {
    const { normError, maxError, finite } = compare('y', [3, 4.5], [3, 4]);
    expect([normError, maxError, finite]).toEqual([0.1, 0.125, true]);
  });

  it.each([
    [
      [1, Number.NaN],
      [1, 2],
    ],
    [
      [1, Number.POSITIVE_INFINITY],
      [1, Number.POSITIVE_INFINITY],
    ],
    [[Number.NaN], [Number.NaN]],
    [[1], [1, 2]],
    [
      [1, 2, 3],
      [1, 2],
    ],
  ])('never passes %j against %j', (values, reference) => {
    expect(compare('y', values, reference)).toMatchObject({ finite: false, normError: Number.NaN });
  });

  it('measures against the magnitude of what cancels, or 1, where the reference is 0', () => {
    expect(compare('y', [1e-3, 0], [0, 0]).maxError).toBe(1e-3);
    expect(compare('y', [1e-3, 0], [0, 0], 10).maxError).toBe(1e-4);
    expect(compare('y', [2, 2], [1, 1], 4).normError).toBeCloseTo(0.25, 15);
    expect(compare('y', [100.1], [100], 4).maxError).toBeCloseTo(1e-3, 9);
  });
});

/** float64 with one kernel changed. */
function sabotaged(op: string, change: (handles: Float64Array[], backend: Backend) => unknown[]): Backend {
  const inner = float64Backend();
  const kernel = kernelsOf(inner)[op];
  const replaced = (...call: Parameters<Kernel<never>>) => change(kernel(...call) as Float64Array[], inner);
  return { ...inner, name: 'sabotaged', kernels: { ...inner.kernels, [op]: replaced } as KernelTable };
}

const simple = opCase('unary', 'test of exp', { x: normal([3, 4]) }, ({ x }) => ({ y: exp(x), z: affine(x, 2) }));

describe('runCase', () => {
  it('finds a value that is off, in outputs and in gradients', async () => {
    const backend = sabotaged('unary', ([y]) => {
      y[5] *= 1 + 1e-8;
      return [y];
    });
    const report = await runCase(backend, simple);
    expect(report).toMatchObject({ passed: false, leaked: 0, backend: 'sabotaged', kernel: true });
    expect(report.differences.map(({ name, gradient }) => [name, gradient])).toEqual([
      ['y', false],
      ['z', false],
      ['dx', true],
    ]);
    expect(failureOf(report)).toMatch(/test of exp on sabotaged .*y: norm error .*dx: norm error/);
    expect(failureOf(report)).not.toMatch(/z:/);
  });

  it('finds one bad element among many', async () => {
    const wide = opCase('affine', 'wide', { x: normal([5000], 1, 3) }, ({ x }) => ({ y: affine(x, 1) }), {
      differentiable: [],
    });
    const backend = sabotaged('affine', ([y]) => {
      y[77] += 3e-9;
      return [y];
    });
    const { differences, passed, leaked } = await runCase(backend, wide);
    expect(leaked).toBe(0);
    expect(differences[0].normError).toBeLessThan(tolerances.float64);
    expect(passed).toBe(false);
  });

  it('fails on NaN', async () => {
    const report = await runCase(
      sabotaged('unary', ([y]) => [y.fill(Number.NaN, 2, 3)]),
      simple,
    );
    expect(report).toMatchObject({ passed: false, leaked: 0 });
    expect(failureOf(report)).toMatch(/y: not finite/);
  });

  it('fails on a leaked buffer', async () => {
    const backend = sabotaged('unary', (handles, inner) => {
      inner.upload([1], { shape: [1], dtype: 'float' });
      return handles;
    });
    const report = await runCase(backend, simple);
    expect(report).toMatchObject({ passed: false, leaked: 1 });
    expect(failureOf(report)).toMatch(/1 buffers leaked/);
  });

  it('reports what a kernel throws, and leaves nothing live', async () => {
    const backend = sabotaged('affine', () => {
      throw new RangeError('out of registers');
    });
    const report = await runCase(backend, simple);
    expect(report).toMatchObject({ passed: false, differences: [] });
    expect(failureOf(report)).toMatch(/RangeError: out of registers/);
    expect(backend.memory().buffers).toBe(1);
  });

  it('skips what is over the limits of the backend, and says so', async () => {
    const backend: Backend = { ...float64Backend(), limits: { maxElements: 11 } };
    const report = await runCase(backend, simple);
    expect(report.error).toBeInstanceOf(LimitError);
    expect(report.skipped).toMatch(/over float64's largest tensor/);
    expect(failureOf(report)).toBeUndefined();
  });

  it('gives both sides the same numbers: a float32 backend sees rounded ones', async () => {
    const third = opCase('affine', 'thirds', { x: given([1 / 3, 0.1]) }, ({ x }) => ({ y: affine(x, 1) }));
    const { differences } = await runCase(roundingBackend(), third);
    expect(differences.map(({ maxError }) => maxError)).toEqual([0, 0]);
  });

  it('says when an operation was composed', async () => {
    const composed = small.find(({ op }) => op === 'layerNorm')!;
    expect(await runCase(coreOnly(float64Backend()), composed)).toMatchObject({ kernel: false, passed: true });
  });
});

describe('recordCase', () => {
  it('leaves all tensors to the enclosing scope', () => {
    const backend = float64Backend();
    for (const each of [simple, small.find(({ op }) => op === 'linearAttention')!]) {
      scope(() => {
        recordCase(backend, each);
      });
      expect(backend.memory().buffers).toBe(0);
    }
  });
});

describe('runConformance and conformanceTable', () => {
  const cases = [
    simple,
    opCase('affine', 'test', { x: normal([5]) }, ({ x }) => ({ y: affine(square(x), 3) })),
    opCase('oneHot', 'test', { x: integers([3], 0, 4) }, ({ x }) => ({ y: oneHot(x, 4) }), { differentiable: [] }),
  ];

  it('run the cases that the filter lets through, in order, and tell of each', async () => {
    const seen: string[] = [];
    const reports = await runConformance(float64Backend(), {
      cases,
      filter: ({ op }) => op !== 'affine',
      onReport: ({ op }) => seen.push(op),
    });
    expect(seen).toEqual(['unary', 'oneHot']);
    expect(reports.every(({ passed }) => passed)).toBe(true);
  });

  it('make a table of the largest errors by operation and backend', () => {
    const report = (op: CaseReport['op'], backend: string, changes: Partial<CaseReport>): CaseReport => ({
      op,
      name: `${op}: x`,
      backend,
      precision: 'float32',
      tolerance: 1e-5,
      kernel: true,
      passed: true,
      differences: [],
      leaked: 0,
      ...changes,
    });
    const difference = (name: string, normError: number) => ({
      name,
      normError,
      maxError: 1,
      gradient: name.startsWith('d'),
      finite: !Number.isNaN(normError),
    });
    const reports = [
      report('matmul', 'wasm', { differences: [difference('y', 2e-7), difference('da', 3e-7)] }),
      report('matmul', 'wasm', { name: 'matmul: 2', differences: [difference('y', 1e-7), difference('db', 4e-7)] }),
      report('matmul', 'gpu', { differences: [difference('y', 5e-4)], passed: false }),
      report('oneHot', 'wasm', { kernel: false, differences: [difference('y', 0)] }),
      report('oneHot', 'gpu', { skipped: 'too large' }),
      report('rotary', 'gpu', { differences: [difference('y', 1e-7), difference('dx', Number.NaN)], passed: false }),
    ];
    const table = conformanceTable(reports);
    // They may have been kept in a file between the tests and the table.
    expect(conformanceTable(JSON.parse(JSON.stringify(reports)))).toBe(table);
    expect(table.split('\n')).toEqual([
      '| operation | cases | wasm (float32, tolerance 1e-5) | gpu (float32, tolerance 1e-5) |',
      '| --- | ---: | --- | --- |',
      '| `matmul` | 2 | 2.0e-7 / 4.0e-7 | 5.0e-4 **1 of 1 failed** |',
      '| `oneHot` | 1 | 0 (composed) | skipped (1) |',
      '| `rotary` | 1 |  | 1.0e-7 / NaN **1 of 1 failed** |',
      '',
    ]);
  });
});

describe('timeCase', () => {
  it('gives one time a repeat, and leaves nothing live', async () => {
    const backend = float64Backend();
    const timing = await timeCase(backend, simple, { repeats: 3, warmup: 1 });
    expect(timing.milliseconds).toHaveLength(3);
    expect(timing.minimum).toBe(Math.min(...timing.milliseconds));
    expect(timing.milliseconds).toContain(timing.median);
    expect(backend.memory().buffers).toBe(0);
  });
});
