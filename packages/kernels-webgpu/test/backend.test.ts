import { DeviceError, LimitError, linearAttention, mul, scope, sum, tensor, valueAndGrad } from '@linattn/math';
import { afterAll, describe, expect, test } from 'vitest';
import { webgpuBackend } from '../src/index.ts';
import { usage } from '../src/runtime/flags.ts';
import { open } from './adapter.ts';

const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`WebGPU in Node is skipped: ${missing}`);

describe.skipIf(missing !== undefined)('backend', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());

  test('says where it computes', () => {
    expect(backend.name).toBe('webgpu');
    expect(backend.dtype).toBe('float32');
    expect(backend.description).not.toBe('');
  });

  test('sizes over the device limit are refused by name, before any work', () => {
    const before = backend.memory();
    const { maxElements } = backend.limits;
    expect(() =>
      backend.kernels.fill!([], { shape: [maxElements + 1], value: 0 }, [{ shape: [maxElements + 1], dtype: 'float' }]),
    ).toThrow(LimitError);
    expect(backend.memory()).toEqual(before);
  });

  test('an operation that ends over a limit keeps no memory', async () => {
    const small = await webgpuBackend({ limits: 'default' });
    // Of a single head: of many, a part is done at a time.
    const x = tensor(small, new Float32Array(4096), [1, 1, 1, 4096]);
    const { buffers, bytes } = small.memory();
    expect(() => linearAttention(x, x, x)).toThrow(/linearAttention states: .* maxStorageBufferBindingSize/);
    expect(small.memory()).toMatchObject({ buffers, bytes });
    x.dispose();
    await small.dispose();
  });

  test('the same inputs give the same bits', async () => {
    const run = () => {
      const x = tensor(
        backend,
        Float32Array.from({ length: 1 * 130 * 2 * 8 }, (_, i) => Math.sin(i)),
        [1, 130, 2, 8],
      );
      const { gradients } = valueAndGrad(() => sum(mul(linearAttention(x, x, x, { normalize: 'l2' }).output, x)), [x]);
      x.dispose();
      return gradients[0];
    };
    const [first, second] = [run(), run()];
    expect(await first.read()).toEqual(await second.read());
    first.dispose();
    second.dispose();
  });

  test('numbers just uploaded are delivered', async () => {
    const to = backend.device.createBuffer({ size: 64, usage: usage.STORAGE | usage.COPY_SRC | usage.COPY_DST });
    const values = Float32Array.from({ length: 16 }, (_, i) => i + 1);
    backend.deliver([[tensor(backend, values), to]]);
    const shown = backend.adopt(to, [16]);
    expect(await shown.read()).toEqual(values);
    shown.dispose();
    to.destroy();
  });

  test('a lost device rejects what comes after, and a new backend works', async () => {
    const lost = await webgpuBackend();
    const x = tensor(lost, [1, 2, 3]);
    lost.device.destroy();
    await lost.device.lost;
    await expect(x.read()).rejects.toThrow(DeviceError);
    expect(() => tensor(lost, [1])).toThrow(/was lost.*checkpoint/);
    x.dispose();
    await lost.dispose();
    const again = tensor(backend, [4]);
    expect((await again.read())[0]).toBe(4);
    again.dispose();
  });

  test('dispose frees everything; use after it is refused', async () => {
    const other = await webgpuBackend();
    scope(() => tensor(other, [1, 2, 3]));
    await other.dispose();
    expect(other.memory().bytes + other.memory().pooledBytes).toBe(0);
    expect(() => tensor(other, [1])).toThrow(DeviceError);
  });
});
