import { DeviceError } from '@linattn/math';

/** Which device is opened, and with what limits. */
export interface OpenOptions {
  /** A device of your own; the backend then never destroys it. Default: one is opened. */
  readonly device?: GPUDevice;
  /** Default `high-performance`. */
  readonly powerPreference?: GPUPowerPreference;
  /**
   * `adapter` (default) asks for all the workgroup memory, buffer sizes and bindings that the adapter offers, and for subgroups; `default`
   * stays in what every WebGPU implementation has.
   */
  readonly limits?: 'adapter' | 'default';
  /** Node only: Dawn's own flags, as `create()` of the package `webgpu` takes them. */
  readonly dawnFlags?: readonly string[];
}

/** Limits that are raised to what the adapter offers. */
const raised = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxStorageBuffersPerShaderStage',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
] as const;

/** Optional features that are asked for. */
const features = { default: ['timestamp-query'], adapter: ['timestamp-query', 'subgroups'] } as const;

/** What a device is opened for beside the features that every kernel needs. */
export interface Needs {
  readonly features: readonly GPUFeatureName[];
  readonly dawnFlags: readonly string[];
}

/** What of matrix units an adapter says; not in the types of the standard. */
interface MatrixInfo {
  readonly subgroupMinSize?: number;
  readonly subgroupMaxSize?: number;
  readonly subgroupMatrixConfigs?: readonly {
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }[];
}

/** Throws unless an adapter has products of 16 x 16 halves with float32 sums, by subgroups of 32. */
function checkMatrixUnits(info: MatrixInfo): void {
  const { subgroupMinSize: least, subgroupMaxSize: most, subgroupMatrixConfigs: shapes = [] } = info;
  const fits = shapes.some(
    ({ componentType, resultComponentType, M, N, K }) =>
      componentType === 'f16' && resultComponentType === 'f32' && M === 16 && N === 16 && K === 16,
  );
  if (least !== 32 || most !== 32 || !fits) {
    throw new DeviceError(
      'matrixUnits: this adapter has no products of 16 x 16 halves in subgroups of 32; open the backend without matrixUnits',
    );
  }
}

function checkFeatures({ features }: Needs, found: GPUSupportedFeatures): void {
  const missing = features.filter((feature) => !found.has(feature));
  if (missing.length > 0) {
    throw new DeviceError(`matrixUnits: ${missing.join(', ')} is missing here; open the backend without matrixUnits`);
  }
}

export interface OpenDevice {
  readonly device: GPUDevice;
  readonly description: string;
  /** The adapter computes on the CPU. */
  readonly software: boolean;
  /** Destroys the device if it was opened here, and lets the process end. */
  close(): void;
}

/**
 * Opens a device: `navigator.gpu` in a browser, the optional package `webgpu` (Dawn) in Node.
 * @throws DeviceError when there is no WebGPU, no adapter or not what `needs` says, saying what to do.
 */
export async function openDevice(options: OpenOptions, needs?: Needs): Promise<OpenDevice> {
  if (options.device) {
    const { device } = options;
    if (needs) checkFeatures(needs, device.features);
    return { device, ...describe(device.adapterInfo), close: () => {} };
  }
  let gpu: GPU | undefined = await findGpu([...(needs?.dawnFlags ?? []), ...(options.dawnFlags ?? [])]);
  const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  if (!adapter) {
    throw new DeviceError(
      'WebGPU has no adapter on this machine: is a GPU driver (Vulkan, Metal or Direct3D 12) installed?',
    );
  }
  if (needs) {
    checkFeatures(needs, adapter.features);
    if (needs.features.length > 0) checkMatrixUnits(adapter.info as MatrixInfo);
  }
  const { limits = 'adapter' } = options;
  const requiredLimits =
    limits === 'default' ? {} : Object.fromEntries(raised.map((name) => [name, adapter.limits[name]]));
  const found = features[limits].filter((feature) => adapter.features.has(feature));
  const requiredFeatures = [...new Set<GPUFeatureName>([...found, ...(needs?.features ?? [])])];
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits }).catch((cause: unknown) => {
    throw new DeviceError('WebGPU refused to open a device', { cause });
  });
  const close = () => {
    device.destroy();
    // Dawn's instance keeps a Node process alive for as long as it is reachable.
    gpu = undefined;
  };
  return { device, ...describe(adapter.info), close };
}

/** Some engines' devices do not say what adapter they are of. */
function describe(info: Partial<GPUAdapterInfo> = {}): { readonly description: string; readonly software: boolean } {
  const words = [info.vendor, info.architecture, info.description].filter(Boolean).join(' ') || 'unknown adapter';
  return { description: words, software: info.isFallbackAdapter || /swiftshader|llvmpipe|basic render/i.test(words) };
}

/**
 * Dawn's instances by their flags, held by the devices that are open on them. All share one, and one that is not collected yet is taken
 * again: Dawn sometimes hangs or aborts when an instance is freed while another works.
 */
const instances = new Map<string, WeakRef<GPU>>();

async function findGpu(dawnFlags: readonly string[]): Promise<GPU> {
  const own = (globalThis.navigator as Navigator | undefined)?.gpu;
  if (own) return own;
  const inNode = typeof process !== 'undefined' && Boolean(process.versions?.node);
  if (!inNode) throw new DeviceError('this browser has no WebGPU (navigator.gpu is missing)');
  const dawn = await loadDawn();
  for (const [name, value] of Object.entries(dawn.globals)) {
    if (!(name in globalThis)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
  const key = dawnFlags.join(' ');
  const gpu = instances.get(key)?.deref() ?? dawn.create([...dawnFlags]);
  instances.set(key, new WeakRef(gpu));
  return gpu;
}

/** Whether WebGPU is Vulkan here. Nothing says so but the system; where it is another after all, or unknown, the answer is no. */
export function onVulkan(): boolean {
  if (typeof process !== 'undefined' && process.versions?.node) return process.platform === 'linux';
  const { userAgent = '' } = (globalThis.navigator ?? {}) as Partial<Navigator>;
  return /linux|android|cros/i.test(userAgent);
}

interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

async function loadDawn(): Promise<Dawn> {
  try {
    // Not a literal, so that bundlers for the web leave it alone.
    const name = 'webgpu';
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as Dawn;
  } catch (cause) {
    throw new DeviceError('Node has no WebGPU of its own: install the optional package "webgpu" (npm install webgpu)', {
      cause,
    });
  }
}
