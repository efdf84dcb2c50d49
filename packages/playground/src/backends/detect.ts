import type { BackendName, BackendReport } from './names.ts';

type Finding = Omit<BackendReport, 'name'>;

const no = (detail: string): Finding => ({ available: false, automatic: false, detail });
const isSoftware = (name: string): boolean => /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(name);

/**
 * Finds out what works here, the fastest first, and tells each as soon as it is known. Runs in a worker: that is where backends
 * compute, and a worker may have less than its page. Never throws.
 */
async function detectBackends(tell: (report: BackendReport) => void): Promise<void> {
  const report = async (name: BackendName, find: () => Finding | Promise<Finding>) => {
    try {
      tell({ name, ...(await find()) });
    } catch (error) {
      tell({ name, ...no(error instanceof Error ? error.message : String(error)) });
    }
  };
  await report('webgpu', findWebgpu);
  await report('wasm', findWasm);
  const modes = await gpujsModes();
  for (const mode of ['webgpu', 'webgl2', 'webasm', 'cpu'] as const) {
    await report(`gpujs-${mode}`, () => {
      if (typeof modes === 'string') return no(modes);
      const found = modes.find((each) => each.mode === mode);
      if (!found?.available) return no(found?.detail ?? 'gpu.js does not have it');
      const detail = found.software ? `${found.detail}, emulated on the processor` : found.detail;
      return { available: true, automatic: found.automatic, detail };
    });
  }
  await report('float64', () => ({ available: true, automatic: true, detail: 'plain JavaScript: exact, slow' }));
}

async function findWebgpu(): Promise<Finding> {
  if (!navigator.gpu) return no('this browser has none, or does not offer it to this page');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) return no('the browser gives no access to a GPU');
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const name = [vendor, architecture, description].filter(Boolean).join(' ') || 'a GPU';
  const software = isFallbackAdapter || isSoftware(name);
  return {
    available: true,
    automatic: !software,
    detail: software ? `${name}, emulated on the processor: right, but slow` : name,
  };
}

async function findWasm(): Promise<Finding> {
  const { hasRelaxedSimd, hasSimd } = await import('@linattn/kernels-wasm');
  if (!hasSimd()) return no('this browser has no 128-bit SIMD');
  const threads = crossOriginIsolated ? (navigator.hardwareConcurrency ?? 1) : 1;
  const parts = [
    threads > 1 ? `${threads} threads` : 'one thread',
    ...(crossOriginIsolated ? [] : ['the page is not cross-origin isolated, which threads need']),
    (await hasRelaxedSimd()) ? 'SIMD with fused multiply-add' : 'SIMD',
  ];
  return { available: true, automatic: true, detail: parts.join(', ') };
}

/** What gpu.js finds, or why it cannot be asked. */
async function gpujsModes() {
  try {
    const { availableModes } = await import('@linattn/kernels-gpujs');
    return await availableModes();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Tells a page, and then that it is done. */
export function serveDetection(): void {
  void detectBackends((report) => postMessage(report)).then(() => postMessage('done'));
}
