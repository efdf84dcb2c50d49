import type { Mode, ModeReport } from '@linattn/kernels-gpujs';
import { type BackendName, type BackendReport, backendNames } from './names.ts';
import { hasSlowWebgl2 } from './webgl2.ts';
import { wrongResult } from './wrong-result.ts';

type Finding = Omit<BackendReport, 'name'>;

const no = (detail: string): Finding => ({ available: false, automatic: false, detail });
const emulated = (device: string): string => `${device}, emulated on the processor`;
const isSoftware = (name: string): boolean => /swiftshader|llvmpipe|lavapipe|basic render|software/i.test(name);

/**
 * Finds out what works here, in the order of `backendNames`, and tells each as soon as it is known. Runs in a worker: that is where backends
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
  for (const name of backendNames) await report(name, finders[name]);
}

const finders: Readonly<Record<BackendName, () => Finding | Promise<Finding>>> = {
  webgpu: findWebgpu,
  'gpujs-webgl2': findWebgl2,
  wasm: findWasm,
  'gpujs-webgpu': () => findGpujs('webgpu'),
  'gpujs-webasm': () => findGpujs('webasm'),
  'gpujs-cpu': () => findGpujs('cpu'),
  float64: () => ({ available: true, automatic: true, detail: 'plain JavaScript: exact, slow' }),
};

async function findWebgpu(): Promise<Finding> {
  if (!navigator.gpu) return no('this browser has none, or does not offer it to this page');
  const ask = () => navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  // A Chromium that has just started may have none at first, and one soon after.
  const adapter = (await ask()) ?? (await new Promise((resolve) => setTimeout(resolve, 300)).then(ask));
  if (!adapter) return no('the browser gives no access to a GPU');
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  const name = [vendor, architecture, description].filter(Boolean).join(' ') || 'a GPU';
  if (isFallbackAdapter || isSoftware(name)) {
    return { available: true, automatic: false, detail: `${emulated(name)}: right, but slow` };
  }
  return tried('webgpu', name);
}

async function findWasm(): Promise<Finding> {
  const { hasRelaxedSimd, hasSimd, whySingleThreaded } = await import('@linattn/kernels-wasm');
  if (!hasSimd()) return no('this browser has no 128-bit SIMD');
  const alone = whySingleThreaded();
  const threads = alone ? 1 : (navigator.hardwareConcurrency ?? 1);
  const parts = [
    threads > 1 ? `${threads} threads` : 'one thread',
    ...(alone ? [alone] : []),
    (await hasRelaxedSimd()) ? 'SIMD with fused multiply-add' : 'SIMD',
  ];
  return { available: true, automatic: true, detail: parts.join(', ') };
}

/** Asked once: it opens a context of everything. */
let modes: Promise<readonly ModeReport[]> | undefined;

async function findGpujs(mode: Mode): Promise<Finding> {
  modes ??= import('@linattn/kernels-gpujs').then(({ availableModes }) => availableModes());
  const found = (await modes).find((each) => each.mode === mode);
  if (!found?.available) return no(found?.detail ?? 'gpu.js does not have it');
  const { software, automatic, detail } = found;
  return { available: true, automatic, detail: software ? emulated(detail) : detail };
}

/** A GPU, if it computes as it should: browsers and drivers are many, and not all of them are tested. */
async function tried(name: BackendName, device: string): Promise<Finding> {
  const wrong = await wrongResult(name);
  return { available: true, automatic: !wrong, detail: wrong ? `${device}: ${wrong}` : device };
}

/** A GPU by WebGL2, if it is one. */
async function findWebgl2(): Promise<Finding> {
  const found = await findGpujs('webgl2');
  if (!found.automatic) return found;
  if (hasSlowWebgl2()) return { ...found, automatic: false, detail: emulated(found.detail) };
  return tried('gpujs-webgl2', found.detail);
}

/** Tells a page, and then that it is done. */
export function serveDetection(): void {
  void detectBackends((report) => postMessage(report)).then(() => postMessage('done'));
}
