// Σ x² over up to COUNT tensors (xAt and place: see many.ts): each workgroup sums 16,384 numbers of one, for the sums to be added.
struct Params {
  start: u32, workgroups: u32,     // where this launch's sums begin, and how many there are
  segments: array<vec4u, COUNT>,   // first workgroup, elements
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;
var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let here = place(group, groups);
  if (here.id >= p.workgroups) { return; }
  let which = here.which;
  let first = here.group * 16384u;
  let last = min(first + 16384u, here.size);
  // Four loads are under way at a time.
  var i = first + t;
  var found = vec4f();
  for (; i + 768u < last; i += 1024u) {
    let x = vec4f(xAt(which, i), xAt(which, i + 256u), xAt(which, i + 512u), xAt(which, i + 768u));
    found += x * x;
  }
  for (; i < last; i += 256u) { let x = xAt(which, i); found.x += x * x; }
  parts[t] = found.x + found.y + found.z + found.w;
  for (var step = 128u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (t < step) { parts[t] += parts[t + step]; }
  }
  if (t == 0u) { sums[p.start + here.id] = parts[0]; }
}
