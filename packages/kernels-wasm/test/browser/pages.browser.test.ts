import { fill, matmul, random, scope, sum } from '@linattn/math';
import { describe, expect, test, vi } from 'vitest';
import { createWasmBackend, hasSimd } from '../../src/index.ts';
import { wasmFiles } from '../../src/url.ts';

// The page is cross-origin isolated: see the headers in vitest.config.ts. The conformance kit runs in tests/browser.
const product = async (threads: number) => {
  const backend = await createWasmBackend({ threads });
  const draw = (stream: number) =>
    random(backend, { shape: [300, 300], distribution: 'normal', key: [1, 2], stream: [stream, 0] });
  const values = await scope(() => matmul(draw(0), draw(1))).read();
  const used = backend.threads;
  await backend.dispose();
  return { values, used };
};

describe('in a page', () => {
  test('Blob workers share the memory of an isolated page; the main thread never sleeps', async () => {
    expect(hasSimd()).toBe(true);
    expect(crossOriginIsolated).toBe(true);
    const one = await product(1);
    const three = await product(3);
    expect([one.used, three.used]).toEqual([1, 3]);
    expect(three.values).toEqual(one.values);
  });

  test('without isolation it runs on one thread and says so', async () => {
    vi.stubGlobal('crossOriginIsolated', false);
    const backend = await createWasmBackend({ threads: 2 });
    vi.unstubAllGlobals();
    expect(backend.threads).toBe(1);
    expect(backend.singleThreadedBecause).toMatch(/isolated/);
    expect(await sum(fill(backend, [100, 100], 1)).item()).toBe(10_000);
    await backend.dispose();
  });

  test('the modules as files that the bundler emits', async () => {
    const backend = await createWasmBackend({ source: wasmFiles, simd: 'plain', threads: 2 });
    expect(backend.build).toBe('plain');
    expect(await sum(fill(backend, [10], 3)).item()).toBe(30);
    await backend.dispose();
  });
});
