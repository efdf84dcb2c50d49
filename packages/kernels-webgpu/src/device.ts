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
 * @throws DeviceError when there is no WebGPU or no adapter, saying what to do.
 */
export async function openDevice(options: OpenOptions): Promise<OpenDevice> {
  if (options.device) {
    const { device } = options;
    return { device, ...describe(device.adapterInfo), close: () => {} };
  }
  let gpu: GPU | undefined = await findGpu(options.dawnFlags ?? []);
  const adapter = await gpu.requestAdapter({ powerPreference: options.powerPreference ?? 'high-performance' });
  if (!adapter) {
    throw new DeviceError(
      'WebGPU has no adapter on this machine: is a GPU driver (Vulkan, Metal or Direct3D 12) installed?',
    );
  }
  const { limits = 'adapter' } = options;
  const requiredLimits =
    limits === 'default' ? {} : Object.fromEntries(raised.map((name) => [name, adapter.limits[name]]));
  const requiredFeatures = features[limits].filter((feature) => adapter.features.has(feature));
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
