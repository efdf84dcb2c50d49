// Sum, largest or smallest (FN 0, 1, 2) over some axes. LANES invocations share an output: 1 where neighbours in memory belong to
// different outputs, 256 where they belong to one. Long reductions go in `splits` parts, to be reduced again (z of the grid).
struct Params {
  outputs: u32, length: u32, splits: u32, outRank: u32, inRank: u32,
  outExtents: array<vec4u, 2>, outStrides: array<vec4u, 2>, extents: array<vec4u, 2>, strides: array<vec4u, 2>,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<f32>;
var<workgroup> partial: array<f32, 256>;

fn fold(a: f32, b: f32) -> f32 {
  switch FN { case 0u: { return a + b; } case 1u: { return max(a, b); } default: { return min(a, b); } }
}
fn start() -> f32 {
  switch FN { case 0u: { return 0.0; } case 1u: { return bitcast<f32>(0xff7fffffu); } default: { return bitcast<f32>(0x7f7fffffu); } }
}

// Where item k of what is folded lies.
fn offsetOf(k: u32) -> u32 {
  var at = 0u;
  var left = k;
  for (var axis = p.inRank; axis > 1u; axis--) {
    let a = axis - 1u;
    let extent = p.extents[a / 4u][a % 4u];
    at += (left % extent) * p.strides[a / 4u][a % 4u];
    left /= extent;
  }
  return at + left * p.strides[0].x;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let output = (group.y * groups.x + group.x) * (256u / LANES) + t / LANES;
  let lane = t % LANES;
  let part = (p.length + p.splits - 1u) / p.splits;
  let first = group.z * part;
  let last = min(first + part, p.length);
  var total = start();
  if (output < p.outputs) {
    var base = 0u;
    var rest = output;
    for (var axis = p.outRank; axis > 0u; axis--) {
      let a = axis - 1u;
      let extent = p.outExtents[a / 4u][a % 4u];
      base += (rest % extent) * p.outStrides[a / 4u][a % 4u];
      rest /= extent;
    }
    // Four loads are under way at a time.
    var k = first + lane;
    var totals = vec4f(start());
    for (; k + 3u * LANES < last; k += 4u * LANES) {
      let found = vec4f(x[base + offsetOf(k)], x[base + offsetOf(k + LANES)], x[base + offsetOf(k + 2u * LANES)], x[base + offsetOf(k + 3u * LANES)]);
      totals = vec4f(fold(totals.x, found.x), fold(totals.y, found.y), fold(totals.z, found.z), fold(totals.w, found.w));
    }
    for (; k < last; k += LANES) { totals.x = fold(totals.x, x[base + offsetOf(k)]); }
    total = fold(fold(totals.x, totals.y), fold(totals.z, totals.w));
  }
  if (LANES > 1u) {
    partial[t] = total;
    for (var step = LANES / 2u; step > 0u; step /= 2u) {
      workgroupBarrier();
      if (lane < step) { partial[t] = fold(partial[t], partial[t + step]); }
    }
    total = partial[t];
  }
  if (lane == 0u && output < p.outputs) { y[group.z * p.outputs + output] = total; }
}
