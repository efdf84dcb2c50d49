// Copies up to COUNT tensors (xAt and ownerOf: see many.ts) to their places of one buffer.
struct Params {
  workgroups: u32,
  segments: array<vec4u, COUNT>,   // first workgroup, elements, first element in `out`
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let id = group.y * groups.x + group.x;
  if (id >= p.workgroups) { return; }
  let which = ownerOf(id);
  let segment = p.segments[which];
  let i = (id - segment.x) * 256u + t;
  if (i < segment.y) { out[segment.z + i] = xAt(which, i); }
}
