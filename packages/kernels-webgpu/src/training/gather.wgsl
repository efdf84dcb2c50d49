// Copies up to COUNT tensors (xAt and place: see many.ts) to their places of one buffer.
struct Params {
  workgroups: u32,
  segments: array<vec4u, COUNT>,   // first workgroup, elements, first element in `out`
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let here = place(group, groups);
  if (here.id >= p.workgroups) { return; }
  let i = here.group * 256u + t;
  if (i < here.size) { out[here.own + i] = xAt(here.which, i); }
}
