import { timed } from './ceilings.ts';

/** A chain of dependent work in workgroups of 128 that hold `bytes` of workgroup memory. */
const source = (bytes: number) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
var<workgroup> held: array<vec4f, ${bytes / 16}>;
@compute @workgroup_size(128) fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) t: u32) {
  held[t] = x[t];
  workgroupBarrier();
  var a = held[(t + 1u) % 128u].x;
  for (var i = 0u; i < 20000u; i++) { a = fma(a, 0.5, 0.25); }
  y[id.x] = vec4f(a) + held[id.x % ${bytes / 16}u];
}`;

/** How many such workgroups run at a time: the time of many over that of few, for growing workgroup memory. */
export async function measureOccupancy(device: GPUDevice): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const groups = 132 * 24;
  for (const kib of [2, 8, 16, 24, 32, 44, 48]) {
    if (kib * 1024 > device.limits.maxComputeWorkgroupStorageSize) continue;
    const seconds = await timed(device, source(kib * 1024), groups * 128 * 16, groups, 250);
    found[`${kib} KiB`] = seconds * 1e3;
    console.log(`occupancy: ${kib} KiB a workgroup: ${(seconds * 1e3).toFixed(2)} ms for ${groups} workgroups`);
  }
  return found;
}
