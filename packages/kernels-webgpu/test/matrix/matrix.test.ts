import { createRequire } from 'node:module';
import { affine, DeviceError, linearAttention, scope, type Tensor, tensor, vjp } from '@linattn/math';
import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { matrixTuning } from '../../src/attention/matrix.ts';
import { tuning } from '../../src/attention/run.ts';
import { webgpuBackend } from '../../src/index.ts';
import { matrixUnits } from '../../src/matrix/index.ts';
import { open } from '../adapter.ts';
import { worstError } from '../compare.ts';
import { emulatedUnits } from './emulated.ts';

interface Dawn {
  create(flags: readonly string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

/** A device that has every feature and computes nothing: it validates shaders. */
async function nullDevice(units: ReturnType<typeof matrixUnits>) {
  const dawn = createRequire(import.meta.url)('webgpu') as Dawn;
  Object.assign(globalThis, dawn.globals);
  const gpu = dawn.create(['backend=null', ...units.dawnFlags]);
  const adapter = (await gpu.requestAdapter())!;
  return { gpu, device: await adapter.requestDevice({ requiredFeatures: [...units.features] }) };
}

/** The names of the chunk kernels that attention takes, forward and backward, with heads of each [width, valueWidth]. */
async function kernelNames(precision: 'split' | 'half', sizes: readonly (readonly [number, number])[]) {
  const units = matrixUnits(precision);
  const { gpu, device } = await nullDevice(units);
  const names: string[] = [];
  const make = device.createShaderModule.bind(device);
  device.createShaderModule = (descriptor) => {
    if (/^chunk/.test(descriptor.label!)) names.push(descriptor.label!);
    return make(descriptor);
  };
  const backend = await webgpuBackend({ device, matrixUnits: units, unroll: true });
  device.pushErrorScope('validation');
  scope(() => {
    for (const [width, valueWidth] of sizes) {
      const draw = (...shape: number[]) =>
        tensor(backend, new Float32Array(shape.reduce((x, y) => x * y)).fill(0.1), shape);
      const inputs = [draw(1, 70, 1, width), draw(1, 70, 1, width), draw(1, 70, 1, valueWidth)] as const;
      for (const mask of ['causal', 'bidirectional'] as const) {
        const { outputs, pullback } = vjp(
          () => [linearAttention(...inputs, { mask, normalize: 'l2', keyWeights: draw(1, 70, 1) }).output],
          inputs,
        );
        for (const gradient of pullback(outputs)) gradient.dispose();
      }
    }
  });
  expect((await device.popErrorScope())?.message).toBeUndefined();
  await backend.dispose();
  device.destroy();
  expect(gpu).toBeDefined();
  return names;
}

describe('shaders on matrix units', () => {
  test.each(['split', 'half'] as const)('are valid (%s)', async (precision) => {
    const sizes = [33, 50, 64].map((width) => [width, width] as const);
    const names = await kernelNames(precision, [...sizes, [17, 64], [64, 17]]);
    expect(names).not.toEqual([]);
    for (const name of names) expect(name).toContain('on matrix units');
  });

  test.each([
    [32, 32],
    [128, 64],
    [64, 100],
  ] as const)('are not for other heads: %d and %d', async (width, valueWidth) => {
    const names = await kernelNames('half', [[width, valueWidth]]);
    expect(names).not.toEqual([]);
    for (const name of names) expect(name).not.toContain('on matrix units');
  });
});

const emulated = await open({ matrixUnits: emulatedUnits('split') });
const missing = typeof emulated === 'string' ? emulated : undefined;
if (missing) console.warn(`Kernels on matrix units are not emulated: ${missing}`);

// The kernels themselves, indices, masks, scales and all; only products of tiles are made in plain WGSL.
describe.skipIf(missing !== undefined)('emulated matrix units', () => {
  if (typeof emulated === 'string') return;
  // The kit's heads are narrow, mostly; the kernel takes all up to 64.
  const { narrowest } = matrixTuning;
  beforeAll(() => {
    matrixTuning.narrowest = 1;
  });
  afterAll(() => {
    matrixTuning.narrowest = narrowest;
    return emulated.dispose();
  });

  // A case compiles its own kernels for seconds: every eighth is emulated. All of them ran on matrix units (benchmarks/).
  const cases = opCases
    .filter(({ op, size }) => op === 'linearAttention' && size !== 'large')
    .filter((_, i) => i % 8 === 0);
  test.for(cases.map((opCase) => [opCase.name, opCase] as const))('split: %s', async ([, opCase], { skip }) => {
    const report = await runCase(emulated, opCase);
    expect(failureOf(report)).toBeUndefined();
    if (report.skipped) skip(report.skipped);
  });

  const attend = (q: Tensor, k: Tensor, v: Tensor) => linearAttention(q, k, v, { normalize: 'l2' }).output;
  const shapes = [
    [1, 300, 1, 20],
    [1, 300, 1, 20],
    [1, 300, 1, 17],
  ] as const;

  test('split: segments of several chunks', async () => {
    const { workgroups } = tuning;
    tuning.workgroups = 2;
    try {
      expect(await worstError(emulated, shapes, attend)).toBeLessThan(2e-6);
    } finally {
      tuning.workgroups = workgroups;
    }
  });

  test.each([
    [20, 100],
    [128, 20],
  ])('split: heads too wide for them, %d and %d', async (width, valueWidth) => {
    const wide = [
      [1, 70, 1, width],
      [1, 70, 1, width],
      [1, 70, 1, valueWidth],
    ] as const;
    expect(await worstError(emulated, wide, attend)).toBeLessThan(2e-6);
  });

  test.each([1e-15, 1e15])('split: numbers around %d', async (size) => {
    expect(await worstError(emulated, shapes, (q, k, v) => attend(q, k, affine(v, size)))).toBeLessThan(2e-6);
  });

  test('half: to three digits', async () => {
    const halves = await open({ matrixUnits: emulatedUnits('half') });
    if (typeof halves === 'string') throw new Error(halves);
    const error = await worstError(halves, shapes, attend);
    expect(error).toBeGreaterThan(1e-5);
    expect(error).toBeLessThan(2e-3);
    await halves.dispose();
  });
});

test('an adapter without matrix units is refused by name', async () => {
  if (missing) return;
  await expect(webgpuBackend({ matrixUnits: matrixUnits('split') })).rejects.toThrow(DeviceError);
});
