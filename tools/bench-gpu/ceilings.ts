import { median } from './measure.ts';

/** What the device does at best, measured in the same run as everything else. */
export interface Ceilings {
  /** Bytes read and written a second by a plain copy. */
  readonly copyGBs: number;
  /** Fused multiply-adds, two operations each. */
  readonly fmaTFLOPs: number;
}

const copySource = /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  for (var i = id.x; i < arrayLength(&x); i += groups.x * 256u) { y[i] = x[i]; }
}`;

const rounds = 4096;
const fmaSource = /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@compute @workgroup_size(256) fn main(@builtin(global_invocation_id) id: vec3u) {
  let k = x[id.x % 64u];
  var a = k; var b = k + 1.0; var c = k + 2.0; var d = k + 3.0;
  for (var i = 0u; i < ${rounds}u; i++) {
    a = fma(a, k, k); b = fma(b, k, k); c = fma(c, k, k); d = fma(d, k, k);
  }
  y[id.x] = a + b + c + d;
}`;

/** Seconds that `groups` workgroups of a shader take; it reads x and writes y, of `bytes` each. */
export async function timed(
  device: GPUDevice,
  code: string,
  bytes: number,
  groups: number,
  milliseconds = 800,
): Promise<number> {
  const buffer = () => device.createBuffer({ size: bytes, usage: 128 | 8 });
  const [x, y] = [buffer(), buffer()];
  // Numbers everywhere: multiplying zeros takes less power, and so lets the clock rise.
  const seed = Float32Array.from({ length: 1 << 20 }, () => Math.random() - 0.5);
  for (let at = 0; at < bytes; at += seed.byteLength) {
    device.queue.writeBuffer(x, at, seed, 0, Math.min(seed.length, (bytes - at) / 4));
  }
  const module = device.createShaderModule({ code });
  const pipeline = device.createComputePipeline({ layout: 'auto', compute: { module, entryPoint: 'main' } });
  const bindGroup = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [x, y].map((each, binding) => ({ binding, resource: { buffer: each } })),
  });
  const querySet = device.createQuerySet({ type: 'timestamp', count: 2 });
  const resolved = device.createBuffer({ size: 16, usage: 512 | 4 });
  const staging = device.createBuffer({ size: 16, usage: 8 | 1 });
  const found: number[] = [];
  for (const start = performance.now(); performance.now() - start < milliseconds; ) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(groups);
    pass.end();
    encoder.resolveQuerySet(querySet, 0, 2, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, 16);
    device.queue.submit([encoder.finish()]);
    await staging.mapAsync(1);
    const [begin, end] = new BigInt64Array(staging.getMappedRange().slice(0));
    staging.unmap();
    found.push(Number(end - begin) / 1e9);
  }
  for (const each of [x, y, resolved, staging]) each.destroy();
  return median(found.slice(found.length >> 1));
}

export async function measureCeilings(device: GPUDevice): Promise<Ceilings> {
  const bytes = Math.min(2 ** 30, device.limits.maxStorageBufferBindingSize);
  const copy = await timed(device, copySource, bytes, 65_535);
  const groups = 16_384;
  const fma = await timed(device, fmaSource, groups * 256 * 16, groups);
  return { copyGBs: (2 * bytes) / copy / 1e9, fmaTFLOPs: (groups * 256 * 16 * 2 * rounds) / fma / 1e12 };
}
