import { add, LinattnError, tensor } from '@linattn/math';
import { expect, test } from 'vitest';
import { automaticModes, availableModes, createGpujsBackend, type ModeReport } from '../src/index.ts';

const codeOf = async (promise: Promise<unknown>): Promise<string> => {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(LinattnError);
  const { code, argument } = error as LinattnError;
  return `${code} ${argument}`;
};

test('modes and options that do not exist are refused by name', async () => {
  for (const mode of ['gpu', 'async', 'dev', 'webgl', '']) {
    expect(await codeOf(createGpujsBackend({ mode: mode as never }))).toBe('VALUE mode');
  }
  expect(await codeOf(createGpujsBackend({ mode: 'cpu', maxKernels: 0 }))).toBe('VALUE maxKernels');
  expect(await codeOf(createGpujsBackend({ mode: 'cpu', maxPooledBytes: 0.5 }))).toBe('VALUE maxPooledBytes');
  expect(await codeOf(createGpujsBackend({ mode: 'cpu', gpu: {} }))).toBe('VALUE gpu');
});

test('modes that do not work here say why', async () => {
  expect(await codeOf(createGpujsBackend({ mode: 'webgl2' }))).toBe('UNSUPPORTED mode webgl2');
  expect(await codeOf(createGpujsBackend({ mode: 'headlessgl' }))).toBe('UNSUPPORTED mode headlessgl');
  const reports = await availableModes();
  expect(reports.map(({ mode }) => mode)).toEqual(['webgpu', 'webgl2', 'headlessgl', 'webasm', 'cpu']);
  for (const { detail } of reports) expect(detail.length).toBeGreaterThan(5);
  expect(reports.filter(({ available }) => available).map(({ mode }) => mode)).toEqual(['webasm', 'cpu']);
});

test('auto takes no GPU that is emulated, unless asked', () => {
  const report = (mode: ModeReport['mode'], software: boolean): ModeReport => ({
    mode,
    available: true,
    software,
    automatic: !software && mode !== 'headlessgl',
    detail: '',
  });
  const reports = [
    report('webgpu', true),
    report('webgl2', false),
    report('headlessgl', false),
    report('webasm', false),
  ];
  expect(automaticModes(reports)).toEqual(['webgl2', 'webasm']);
  expect(automaticModes(reports, { software: true })).toEqual(['webgpu', 'webgl2', 'webasm']);
});

test('auto is webasm in Node, and gpu.js may be handed in', async () => {
  const backend = await createGpujsBackend({ gpu: await import('gpu.js') });
  expect(backend).toMatchObject({ name: 'gpujs-webasm', mode: 'webasm', dtype: 'float32' });
  await backend.dispose();
});

test('a mode that fails quietly over to another is an error', async () => {
  const gpujs = (await import('gpu.js')) as unknown as { GPU: new (settings: object) => object; input: unknown };
  class Pretender extends gpujs.GPU {
    constructor() {
      super({ mode: 'cpu' });
    }
    static isWebAssemblySupported = true;
  }
  expect(await codeOf(createGpujsBackend({ mode: 'webasm', gpu: { GPU: Pretender, input: gpujs.input } }))).toMatch(
    /^DEVICE/,
  );
});

test('more elements than gpu.js can index, and indices that float32 cannot hold, are refused', async () => {
  const backend = await createGpujsBackend({ mode: 'cpu' });
  const long = tensor(backend, new Float32Array(4097), [4097, 1]);
  const wide = tensor(backend, new Float32Array(4096), [1, 4096]);
  expect(() => add(long, wide)).toThrow(/largest tensor/);
  expect(() => tensor(backend, [2 ** 24 + 1], [1], { dtype: 'int32' })).toThrow(/largest exact index/);
  await backend.dispose();
});
