import { type Gpujs, type GpujsModule, loadGpujs } from './gpujs.ts';

/**
 * gpu.js's modes that this package runs on, the fastest first. gpu.js's own `gpu`, `async` and default are left out: they would
 * take a GPU that is emulated in software before webasm.
 */
export const modes = ['webgpu', 'webgl2', 'headlessgl', 'webasm', 'cpu'] as const;
/** What gpu.js runs a kernel as. */
export type Mode = (typeof modes)[number];

/** What a mode is on this machine. */
export interface ModeReport {
  readonly mode: Mode;
  readonly available: boolean;
  /** A GPU mode whose GPU is emulated on the CPU: right, but slower than webasm. */
  readonly software: boolean;
  /** `auto` may take it. */
  readonly automatic: boolean;
  /** The device, or why there is none. */
  readonly detail: string;
}

type Finding = Pick<ModeReport, 'available' | 'detail'> & Partial<Pick<ModeReport, 'software' | 'automatic'>>;

const no = (detail: string): Finding => ({ available: false, detail });
const isSoftware = (name: string): boolean =>
  /swiftshader|llvmpipe|lavapipe|softpipe|basic render|software/i.test(name);

/** Looks for each mode's means without building a kernel; never throws. */
const finders: Readonly<Record<Mode, (gpujs: Gpujs) => Finding | Promise<Finding>>> = {
  webgpu: async () => {
    const gpu = globalThis.navigator?.gpu;
    if (!gpu) return no('navigator.gpu is missing; in Node, define it from the package webgpu (see the README)');
    const adapter = await gpu.requestAdapter();
    if (!adapter) return no('navigator.gpu has no adapter');
    const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
    const name = [vendor, architecture, description].filter(Boolean).join(' ') || 'unnamed adapter';
    return { available: true, detail: name, software: isFallbackAdapter || isSoftware(name) };
  },
  webgl2: ({ GPU }) => {
    if (!GPU.isWebGL2Supported) return no('there is no WebGL2 here: it needs a browser with a GPU');
    const renderer = webgl2Renderer();
    if (renderer === undefined) return no('WebGL2 cannot render to floats here (EXT_color_buffer_float)');
    return { available: true, detail: renderer, software: isSoftware(renderer) };
  },
  headlessgl: ({ GPU }) =>
    GPU.isHeadlessGLSupported
      ? { available: true, detail: 'the package gl', automatic: false }
      : no('needs the package gl, built for this machine, and a display'),
  webasm: ({ GPU }) =>
    GPU.isWebAssemblySupported ? { available: true, detail: 'WebAssembly, one thread' } : no('there is no WebAssembly'),
  cpu: () => {
    try {
      new Function('return 0')();
      return { available: true, detail: 'JavaScript, one thread' };
    } catch {
      return no("the page's content security policy forbids new Function, which gpu.js makes kernels with");
    }
  },
};

/** The name of the GPU behind WebGL2, or undefined where it cannot render floats. */
function webgl2Renderer(): string | undefined {
  const canvas = typeof OffscreenCanvas === 'undefined' ? document.createElement('canvas') : new OffscreenCanvas(1, 1);
  const gl = canvas.getContext('webgl2') as WebGL2RenderingContext | null;
  if (!gl?.getExtension('EXT_color_buffer_float')) return undefined;
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(info ? info.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  // Browsers allow few contexts at once.
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return name;
}

/** @internal */
export async function findMode(mode: Mode, gpujs: Gpujs): Promise<ModeReport> {
  let finding: Finding;
  try {
    finding = await finders[mode](gpujs);
  } catch (error) {
    finding = no(String(error));
  }
  const { available, detail, software = false, automatic = true } = finding;
  return { mode, available, software, automatic: available && automatic && !software, detail };
}

/**
 * What each mode is on this machine, the fastest first, with the reason where it does not work. Builds no kernel.
 * @throws ValueError, DeviceError when gpu.js is not what was handed in, or not installed.
 */
export async function availableModes(options: { readonly gpu?: GpujsModule } = {}): Promise<ModeReport[]> {
  const gpujs = await loadGpujs(options.gpu);
  return Promise.all(modes.map((mode) => findMode(mode, gpujs)));
}

/** The modes that `auto` tries, in order: WebGPU and WebGL2 on a real GPU, then webasm, then cpu. */
export function automaticModes(
  reports: readonly ModeReport[],
  options: { readonly software?: boolean } = {},
): readonly Mode[] {
  const fits = ({ automatic, available, software }: ModeReport) =>
    automatic || (options.software === true && available && software);
  return reports.filter(fits).map(({ mode }) => mode);
}
