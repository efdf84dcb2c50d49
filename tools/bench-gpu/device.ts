import { createRequire } from 'node:module';

interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

// Dawn's instance must outlive the device.
let instance: GPU | undefined;

/** Opens the GPU through a dawn.node file, with exact timestamps and all that the adapter offers. */
export async function openDawn(path: string, flags: readonly string[]): Promise<GPUDevice> {
  const dawn = createRequire(import.meta.url)(path) as Dawn;
  Object.assign(globalThis, dawn.globals);
  // Timestamps are otherwise rounded to 65.5 µs.
  const gpu = dawn.create(['disable-dawn-features=timestamp_quantization', ...flags]);
  instance = gpu;
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no WebGPU adapter: is libvulkan.so.1 installed, and a driver for it?');
  const { limits } = adapter;
  return adapter.requestDevice({
    requiredFeatures: ['timestamp-query', ...(adapter.features.has('subgroups') ? (['subgroups'] as const) : [])],
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
      maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
    },
  });
}
