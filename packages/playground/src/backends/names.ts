/** Where tensors can be computed, in the order in which `auto` tries them: a GPU by either way to it, then the processor. */
export const backendLabels = {
  webgpu: 'WebGPU',
  'gpujs-webgl2': 'gpu.js on WebGL2',
  wasm: 'WebAssembly',
  'gpujs-webgpu': 'gpu.js on WebGPU',
  'gpujs-webasm': 'gpu.js in WebAssembly',
  'gpujs-cpu': 'gpu.js in JavaScript',
  float64: 'float64 reference',
} as const;

export type BackendName = keyof typeof backendLabels;
const onGpu: ReadonlySet<BackendName> = new Set(['webgpu', 'gpujs-webgl2', 'gpujs-webgpu']);
export const backendNames = Object.keys(backendLabels) as readonly BackendName[];

/** What a backend is in this browser. */
export interface BackendReport {
  readonly name: BackendName;
  readonly available: boolean;
  /** `auto` may take it: it is no GPU that is emulated on the processor. */
  readonly automatic: boolean;
  /** The device, or why there is none. */
  readonly detail: string;
}

/** What a training can go on with where a backend failed. What took a GPU from one may have taken it from all. */
export function nextAfter(failed: BackendName, reports: readonly BackendReport[]): BackendName | undefined {
  const others = reports.filter(({ name, automatic }) => automatic && name !== failed);
  const processor = onGpu.has(failed) ? others.find(({ name }) => !onGpu.has(name)) : undefined;
  return (processor ?? others[0])?.name;
}

/** The one that `auto` takes, and why not an earlier one. Undefined until some backend is known to work. */
export function automaticChoice(
  reports: readonly BackendReport[],
): { readonly name: BackendName; readonly why: string } | undefined {
  const at = reports.findIndex(({ automatic }) => automatic);
  if (at < 0) return undefined;
  const { name, detail } = reports[at];
  const passed = reports.slice(0, at).map((report) => `${backendLabels[report.name]}: ${report.detail}.`);
  return { name, why: [`${backendLabels[name]} (${detail}).`, ...passed].join(' ') };
}
