import { type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import type { Grid } from '../runtime/recorder.ts';

/** Tensors that the 256 bytes of a shader's Params describe, beside eight words of its own. */
const described = 14;

/** A launch over several tensors of any sizes: a binding each, and a table `segments` in Params that tells workgroups whose they are. */
export interface Many {
  /** Most tensors a launch. */
  readonly count: number;
  /** `xAt(which, i)`: element i of a tensor; `place(group, groups)`: whose a workgroup is. */
  readonly declarations: string;
  /** Fills up the bindings. */
  bound(buffers: readonly Buffer[]): Buffer[];
  /** Of each tensor its first workgroup, its elements, and two words of the kernel's own. */
  table(sizes: readonly number[], own?: (i: number) => readonly [number, number]): Table;
}

interface Table {
  readonly segments: readonly number[];
  readonly workgroups: number;
  readonly grid: Grid;
}

/**
 * @param others storage bindings beside the tensors.
 * @param perGroup elements a workgroup.
 */
export function many(gpu: Gpu, others: number, perGroup: number): Many {
  const count = Math.min(described, gpu.device.limits.maxStorageBuffersPerShaderStage - others);
  const each = (line: (i: number) => string) => Array.from({ length: count }, (_, i) => line(i)).join('\n');
  return {
    count,
    declarations: `${each((i) => `@group(0) @binding(${others + 1 + i}) var<storage, read> x${i}: array<f32>;`)}
fn xAt(which: u32, i: u32) -> f32 {
  switch which {
${each((i) => `case ${i}u: { return x${i}[i]; }`)}
default: { return 0.0; }
  }
}
// A workgroup's number, its tensor, its number there, the tensor's elements and the first of the kernel's own words.
struct Place { id: u32, which: u32, group: u32, size: u32, own: u32 }
fn place(group: vec3u, groups: vec3u) -> Place {
  let id = group.y * groups.x + group.x;
  var which = 0u;
  for (var i = 1u; i < COUNT; i++) { if (id >= p.segments[i].x) { which = i; } }
  let segment = p.segments[which];
  return Place(id, which, id - segment.x, segment.y, segment.z);
}`,
    bound: (buffers) => [...buffers, ...Array<Buffer>(count - buffers.length).fill(gpu.nothing)],
    table(sizes, own = () => [0, 0]) {
      let workgroups = 0;
      const segments = sizes.flatMap((size, i) => {
        const first = workgroups;
        workgroups += Math.ceil(size / perGroup);
        return [first, size, ...own(i)];
      });
      // The others begin past all workgroups.
      for (let i = sizes.length; i < count; i++) segments.push(0xffffffff, 0, 0, 0);
      return { segments, workgroups, grid: gridOf(workgroups, 1) };
    },
  };
}
