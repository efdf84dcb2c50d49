import { createRequire } from 'node:module';

interface Dawn {
  create(flags: string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

// Dawn's instance must outlive the device.
let instance: GPU | undefined;

/** What matrix units need of a device. */
const matrixFeatures = ['chromium-experimental-subgroup-matrix', 'shader-f16', 'subgroups'] as GPUFeatureName[];

/**
 * Opens the GPU through a dawn.node file, with exact timestamps and all that the adapter offers.
 * @param matrix opens matrix units too, where the adapter has them.
 */
export async function openDawn(path: string, flags: readonly string[], matrix = false): Promise<GPUDevice> {
  const dawn = createRequire(import.meta.url)(path) as Dawn;
  Object.assign(globalThis, dawn.globals);
  // Timestamps are otherwise rounded to 65.5 µs.
  const unsafe = matrix ? ['enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia'] : [];
  const gpu = dawn.create(['disable-dawn-features=timestamp_quantization', ...unsafe, ...flags]);
  instance = gpu;
  const adapter = await instance.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new Error('no WebGPU adapter: is libvulkan.so.1 installed, and a driver for it?');
  const { limits } = adapter;
  const optional = new Set<GPUFeatureName>(['subgroups', ...(matrix ? matrixFeatures : [])]);
  return adapter.requestDevice({
    requiredFeatures: ['timestamp-query', ...[...optional].filter((each) => adapter.features.has(each))],
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
