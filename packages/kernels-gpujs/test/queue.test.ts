import { add, DeviceError, tensor } from '@linattn/math';
import { expect, test } from 'vitest';
import { backendOn } from '../src/backend.ts';
import { ResidentDevice } from '../src/devices/resident.ts';
import type { GpuInstance, Gpujs, GpuKernel, GpuResident } from '../src/gpujs.ts';

/** gpu.js's webgpu mode as far as uploads and sums go, on the host, later, with calls that can be made to fail. */
class FakeGpu implements GpuInstance {
  readonly mode = 'webgpu';
  readonly kernels: unknown[] = [];
  static running = 0;
  static live = 0;
  static fail = '';

  createKernel(source: string): GpuKernel {
    const call = async (...args: readonly (GpuResident & { values: Float32Array } & { value: Float32Array })[]) => {
      expect(FakeGpu.running++).toBe(0);
      await new Promise((resolve) => setTimeout(resolve, 1));
      FakeGpu.running--;
      if (FakeGpu.fail && source.includes(FakeGpu.fail)) throw new Error('made to fail');
      const [a, b] = args.map((arg) => arg.values ?? arg.value);
      const values = a.map((x, i) => (b ? x + b[i] : x));
      FakeGpu.live++;
      return { values, output: [], type: '', toArray: async () => values, delete: () => FakeGpu.live-- };
    };
    return Object.assign(call, {
      kernel: { constructor: { mode: 'webgpu' }, destroy: () => {} },
    }) as unknown as GpuKernel;
  }

  async destroy(): Promise<void> {}
}

const gpujs: Gpujs = { GPU: FakeGpu, input: (value, size) => ({ value, size }) };
const open = () => backendOn(new ResidentDevice(gpujs, { mode: 'webgpu', maxKernels: 8 }));

test('calls run one after the other, results are freed in their turn', async () => {
  const backend = open();
  const x = tensor(backend, [1, 2]);
  const sums = Array.from({ length: 10 }, () => add(x, x));
  const last = add(sums[3], x);
  for (const sum of sums) sum.dispose();
  x.dispose();
  const values = await last.read();
  expect([...values]).toEqual([3, 6]);
  expect(FakeGpu.live).toBe(1);
  expect(backend.memory().buffers).toBe(1);
  await backend.dispose();
  expect(FakeGpu.live).toBe(0);
  expect(backend.memory()).toEqual({ buffers: 0, bytes: 0, pooledBytes: 0 });
  last.dispose();
  expect(backend.memory().bytes).toBe(0);
});

test('what fails later fails the next read, and every read of what came of it', async () => {
  const backend = open();
  const x = tensor(backend, [1, 2]);
  FakeGpu.fail = 'x+g';
  const broken = add(x, x);
  const after = add(broken, x);
  await new Promise((resolve) => setTimeout(resolve, 30));
  FakeGpu.fail = '';
  await expect(x.read()).rejects.toThrow(DeviceError);
  expect([...(await x.read())]).toEqual([1, 2]);
  await expect(after.read()).rejects.toThrow(/add.*made to fail/);
  await expect(broken.read()).rejects.toThrow(DeviceError);
  expect([...(await add(x, x).read())]).toEqual([2, 4]);
  await backend.dispose();
});
