// One AdamW update (Loshchilov & Hutter 2019), in place: m ← β1 m + (1 - β1) g, v ← β2 v + (1 - β2) g²,
// p ← (1 - lr decay) p - lr m̂ / (√v̂ + ε), with g the gradient times `scale`. All parameters of a launch: p, m and v of one lie at the same
// place of three buffers, its gradient in a fourth.
struct Params { rate: f32, beta1: f32, beta2: f32, epsilon: f32, correction2: f32, rest1: f32, rest2: f32, count: u32 }
// First workgroup, elements, first element of p, m and v, and of the gradient, 1 - lr decay.
struct Segment { first: u32, size: u32, at: u32, gradientAt: u32, kept: f32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(2) var<storage, read_write> moment1: array<f32>;
@group(0) @binding(3) var<storage, read_write> moment2: array<f32>;
@group(0) @binding(4) var<storage, read> scale: array<f32>;
@group(0) @binding(5) var<storage, read> gradient: array<f32>;
@group(0) @binding(6) var<storage, read> segments: array<Segment>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let id = group.y * groups.x + group.x;
  // The last segment that begins at this workgroup or before.
  var low = 0u;
  var high = p.count;
  while (high - low > 1u) {
    let middle = (low + high) / 2u;
    if (segments[middle].first <= id) { low = middle; } else { high = middle; }
  }
  let segment = segments[low];
  let i = (id - segment.first) * 256u + t;
  if (i >= segment.size) { return; }
  let at = segment.at + i;
  let g = gradient[segment.gradientAt + i] * scale[0];
  let m = p.beta1 * moment1[at] + p.rest1 * g;
  let v = p.beta2 * moment2[at] + p.rest2 * g * g;
  moment1[at] = m;
  moment2[at] = v;
  parameter[at] = segment.kept * parameter[at] - p.rate * m / (sqrt(v * p.correction2) + p.epsilon);
}
