// One AdamW update (Loshchilov & Hutter 2019), in place: m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g²,
// p ← (1 - lr decay) p - lr m̂ / (√v̂ + ε), with g the gradient times `scale`. Up to COUNT parameters: p, m and v of one lie at the same
// place of three buffers; the gradients are what xAt and ownerOf (see many.ts) speak of.
struct Params {
  rate: f32, beta1: f32, beta2: f32, epsilon: f32, correction2: f32, rest1: f32, rest2: f32, unused: f32,
  segments: array<vec4u, COUNT>,   // first workgroup, elements, first element of p, m and v, 1 - lr decay
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let id = group.y * groups.x + group.x;
  let which = ownerOf(id);
  let segment = p.segments[which];
  let i = (id - segment.x) * 256u + t;
  if (i >= segment.y) { return; }
  let at = segment.z + i;
  let g = xAt(which, i) * scale[0];
  let m = p.beta1 * moment1[at] + p.rest1 * g;
  let v = p.beta2 * moment2[at] + p.rest2 * g * g;
  moment1[at] = m;
  moment2[at] = v;
  parameter[at] = bitcast<f32>(segment.w) * parameter[at] - p.rate * m / (sqrt(v * p.correction2) + p.epsilon);
}
