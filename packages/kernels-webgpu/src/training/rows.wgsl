// Functions of rows [rows, width], LANES invocations a row.
// OP 0 layerNorm: y = (x - μ) rstd w + b, with μ and rstd. OP 1 rmsNorm: y = x rstd w. OP 2 l2Normalize: y = radius x / |x|.
// OP 3 layerNormBackward: dx = rstd (d - mean d - n mean(d n)), d = dy w, n = (x - μ) rstd. OP 4 rmsNormBackward: the same without the
// means of d and x. OP 5 l2NormalizeBackward: dx = (radius / |x|) (dy - x (x · dy) / |x|²).
struct Params { rows: u32, width: u32, number: f32 }   // epsilon or radius
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> mu: array<f32>;
@group(0) @binding(3) var<storage, read_write> rstd: array<f32>;
@group(0) @binding(4) var<storage, read> x: array<f32>;
@group(0) @binding(5) var<storage, read> weight: array<f32>;
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read> dy: array<f32>;
@group(0) @binding(8) var<storage, read> saved: array<f32>;   // μ, for layerNormBackward
const LANES = 32u;
var<workgroup> parts: array<vec2f, 256>;

// Both sums over the lanes of a row, for all of them: by halves, through memory until a subgroup can go on by itself. The order, and so
// every bit, is the same for all sizes of subgroups.
fn total(value: vec2f, t: u32, size: u32) -> vec2f {
  var sum = value;
  var step = LANES / 2u;
  if (size < LANES) {
    workgroupBarrier();
    parts[t] = value;
    for (; step >= size; step /= 2u) {
      workgroupBarrier();
      if (t % LANES < step) { parts[t] += parts[t + step]; }
    }
    workgroupBarrier();
    sum = parts[t - t % LANES + t % size];
  }
  for (; step > 0u; step /= 2u) { sum += across(sum, step); }
  return sum;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = (group.y * groups.x + group.x) * (256u / LANES) + t / LANES;
  let lane = t % LANES;
  let inside = row < p.rows;
  let end = select(0u, p.width, inside);
  let base = row * p.width;
  let mean = 1.0 / f32(p.width);
  var center = 0.0;
  var scale = 0.0;
  if (OP == 0u) {
    var sum = 0.0;
    for (var i = lane; i < end; i += LANES) { sum += x[base + i]; }
    center = total(vec2f(sum, 0.0), t, subgroupSize).x * mean;
  }
  if (OP <= 2u) {
    var sum = 0.0;
    for (var i = lane; i < end; i += LANES) { let d = x[base + i] - center; sum += d * d; }
    let squares = total(vec2f(sum, 0.0), t, subgroupSize).x;
    if (OP == 2u) { scale = p.number * inverseSqrt(max(squares, 1e-36)); }
    else { scale = inverseSqrt(squares * mean + p.number); }
    for (var i = lane; i < end; i += LANES) {
      var value = (x[base + i] - center) * scale;
      if (OP != 2u) { value *= weight[i]; }
      if (OP == 0u) { value += bias[i]; }
      y[base + i] = value;
    }
    if (inside && lane == 0u) {
      if (OP == 0u) { mu[row] = center; }
      if (OP != 2u) { rstd[row] = scale; }
    }
  } else if (OP == 5u) {
    var sums = vec2f();
    for (var i = lane; i < end; i += LANES) { let v = x[base + i]; sums += v * vec2f(v, dy[base + i]); }
    sums = total(sums, t, subgroupSize);
    let squares = max(sums.x, 1e-36);
    // A vector that counts as zero has no direction to turn.
    scale = select(0.0, p.number * inverseSqrt(squares), sums.x > 1e-36);
    for (var i = lane; i < end; i += LANES) { y[base + i] = scale * (dy[base + i] - x[base + i] * (sums.y / squares)); }
  } else {
    if (inside) {
      scale = rstd[row];
      if (OP == 3u) { center = saved[row]; }
    }
    var sums = vec2f();
    for (var i = lane; i < end; i += LANES) {
      let d = dy[base + i] * weight[i];
      sums += vec2f(d, d * (x[base + i] - center) * scale);
    }
    sums = total(sums, t, subgroupSize) * mean;
    if (OP == 4u) { sums.x = 0.0; }
    for (var i = lane; i < end; i += LANES) {
      y[base + i] = scale * (dy[base + i] * weight[i] - sums.x - (x[base + i] - center) * scale * sums.y);
    }
  }
}
