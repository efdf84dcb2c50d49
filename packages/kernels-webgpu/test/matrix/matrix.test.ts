import { createRequire } from 'node:module';
import { linearAttention, scope, tensor, vjp } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { webgpuBackend } from '../../src/index.ts';
import { matrixUnits } from '../../src/matrix/index.ts';

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

describe('shaders on matrix units', () => {
  test.each(['split', 'half'] as const)('are valid (%s)', async (precision) => {
    const units = matrixUnits(precision);
    const { gpu, device } = await nullDevice(units);
    const backend = await webgpuBackend({ device, matrixUnits: units, unroll: true });
    device.pushErrorScope('validation');
    scope(() => {
      for (const width of [5, 32, 64, 100]) {
        const draw = (...shape: number[]) =>
          tensor(backend, new Float32Array(shape.reduce((x, y) => x * y)).fill(0.1), shape);
        const inputs = [draw(1, 40, 1, width), draw(1, 40, 1, width), draw(1, 40, 1, width)] as const;
        for (const mask of ['causal', 'bidirectional'] as const) {
          const { outputs, pullback } = vjp(
            () => [linearAttention(...inputs, { mask, normalize: 'l2', keyWeights: draw(1, 40, 1) }).output],
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
  });
});
