import { add, linearAttention, matmul, mul, scope, tensor, vjp } from '@linattn/math';
import { failureOf, opCases, runCase } from '@linattn/math/conformance';
import { float64Backend } from '@linattn/math/float64';
import { afterAll, describe, expect, test } from 'vitest';
import { webgpuBackend } from '../../src/index.ts';
import { usage as flags } from '../../src/runtime/flags.ts';

// The whole kit runs in tests/browser; here is what only this package promises, through Chromium's own WebGPU.
const compiled: [number, number][] = [];
const backend = await webgpuBackend({ onCompile: (done, total) => compiled.push([done, total]) });
afterAll(() => backend.dispose());

describe('in the page', () => {
  test.for(['linearAttention: causal B2 N70 H2 D5/4 order 1, l2', 'matmul: NT [] 65x257x33', 'layerNorm'])(
    'conformance: %s',
    async (start) => {
      const opCase = opCases.find(({ name }) => name.startsWith(start))!;
      const report = await runCase(backend, opCase, float64Backend());
      expect(failureOf(report)).toBeUndefined();
    },
  );

  test('kernels are compiled aside, with progress', () => {
    expect(compiled.length).toBeGreaterThan(0);
    expect(compiled.at(-1)![0]).toBe(compiled.at(-1)![1]);
  });

  test('a warm step allocates nothing and leaves nothing', async () => {
    const x = tensor(backend, new Float32Array(2 * 40 * 8).fill(0.1), [1, 40, 2, 8]);
    const step = async () => {
      const { outputs, pullback } = vjp(() => [linearAttention(x, x, x).output], [x]);
      const [gradient] = pullback(outputs);
      await gradient.read();
      for (const each of [...outputs, gradient]) each.dispose();
    };
    await step();
    await step();
    const before = backend.memory();
    await step();
    const after = backend.memory();
    expect(after.bytes + after.pooledBytes).toBe(before.bytes + before.pooledBytes);
    expect(after.buffers).toBe(before.buffers);
    x.dispose();
  });

  test('concurrent reads see the work recorded before them', async () => {
    const a = tensor(backend, [1, 2, 3, 4], [2, 2]);
    const products = scope(() => [matmul(a, a), matmul(a, a, false, true)]);
    const [first, second] = await Promise.all(products.map((product) => product.read()));
    expect([...first]).toEqual([7, 10, 15, 22]);
    expect([...second]).toEqual([5, 11, 11, 25]);
    for (const each of [a, ...products]) each.dispose();
  });

  describe('memory of somebody else on the same device', () => {
    const usage = flags.STORAGE | flags.COPY_SRC | flags.COPY_DST;
    const bufferOf = (values: Float32Array<ArrayBuffer>) => {
      const buffer = backend.device.createBuffer({ size: values.byteLength, usage });
      backend.device.queue.writeBuffer(buffer, 0, values);
      return buffer;
    };
    const numbers = (count: number, start: number) =>
      Float32Array.from({ length: count }, (_, i) => Math.sin(start + i));
    const empty = (count: number) => backend.device.createBuffer({ size: 4 * count, usage });
    const readBack = async (buffer: GPUBuffer) => {
      const tensor = backend.adopt(buffer, [buffer.size / 4]);
      const values = await tensor.read();
      tensor.dispose();
      return [...values];
    };
    const float64 = float64Backend();
    const expected = async (m: number, k: number, n: number) => {
      const [a, b] = [tensor(float64, numbers(m * k, 1), [m, k]), tensor(float64, numbers(k * n, 2), [k, n])];
      return matmul(a, b).read();
    };

    test.for([
      ['whole vec4s: read and written in place', 4, 8, 12],
      ['a rest: by way of own buffers', 3, 7, 5],
    ] as const)('%s', async ([, m, k, n]) => {
      const before = backend.memory();
      const [a, b, to] = [bufferOf(numbers(m * k, 1)), bufferOf(numbers(k * n, 2)), empty(m * n)];
      scope(() => backend.deliver([[matmul(backend.adopt(a, [m, k]), backend.adopt(b, [k, n])), to]]));
      const exact = await expected(m, k, n);
      (await readBack(to)).forEach((value, i) => {
        expect(value).toBeCloseTo(exact[i], 5);
      });
      expect(backend.memory().buffers).toBe(before.buffers);
      // Still theirs.
      expect((await readBack(a)).slice(0, 2)).toEqual([...numbers(2, 1)]);
      for (const each of [a, b, to]) each.destroy();
    });

    test('what was submitted before is copied, and the pool keeps its own buffer', async () => {
      const [a, to] = [bufferOf(numbers(16, 1)), empty(16)];
      const product = scope(() => matmul(backend.adopt(a, [4, 4]), backend.adopt(a, [4, 4])));
      await backend.submit();
      const values = await product.read();
      const before = backend.memory();
      backend.deliver([[product, to]]);
      expect(product.disposed).toBe(true);
      const after = backend.memory();
      expect(after.bytes + after.pooledBytes).toBe(before.bytes + before.pooledBytes);
      expect(await readBack(to)).toEqual([...values]);
      for (const each of [a, to]) each.destroy();
    });

    test('a buffer that had another use in the same submission is not given away', async () => {
      const [x, y] = [tensor(backend, numbers(60, 1), [60]), tensor(backend, numbers(52, 2), [52])];
      await backend.submit();
      // 60 and 52 numbers take buffers of one size: the second product gets that of the first.
      const [sum, to] = scope(() => {
        const first = mul(x, x);
        const sum = add(first, x);
        first.dispose();
        const to = empty(52);
        backend.deliver([[mul(y, y), to]]);
        return [sum, to] as const;
      });
      const near = (given: ArrayLike<number>, exact: Float32Array) =>
        Array.from(given).forEach((value, i) => {
          expect(value).toBeCloseTo(exact[i], 5);
        });
      near(
        await sum.read(),
        numbers(60, 1).map((value) => value * value + value),
      );
      near(
        await readBack(to),
        numbers(52, 2).map((value) => value * value),
      );
      for (const each of [x, y, sum]) each.dispose();
      to.destroy();
    });

    test('sizes are checked', () => {
      const a = empty(16);
      expect(() => backend.adopt(a, [17])).toThrow(/^shape: .*at most the 16 numbers/);
      const x = tensor(backend, new Float32Array(8), [8]);
      expect(() => backend.deliver([[x, a]])).toThrow(/^results: .*64 bytes/);
      x.dispose();
      a.destroy();
    });
  });
});
