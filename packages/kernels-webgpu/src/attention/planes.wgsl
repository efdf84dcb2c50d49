// Factors of rows, one workgroup of 256 for 256 / LANES rows (OP 0 and 1). OP 0: radius / |x| (rows too short to have a length count as 1e-18 long). OP 1:
// 1 / g and -δ = -(o · dO) / g (math.md, Backward). OP 2: a product of up to two planes and one feature of x.
// OP 3: the header.
struct Params { rows: u32, width: u32, to: u32, to2: u32, radius: f32, planeA: u32, planeB: u32, feature: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> factors: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Unit>;
@group(0) @binding(3) var<storage, read> y: array<Unit>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
var<workgroup> parts: array<f32, 256>;

fn combine(row: u32) {
  if (row >= p.rows) { return; }
  var value = 1.0;
  if (p.planeA != 0u) { value *= factors[p.planeA + row]; }
  if (p.planeB != 0u) { value *= factors[p.planeB + row]; }
  if (p.feature < p.width) { value *= xFour(row * p.width + p.feature, 1u).x; }
  factors[p.to + row] = value;
}

fn measure(group: u32, t: u32) {
  let row = group * (256u / LANES) + t / LANES;
  let lane = t % LANES;
  var sum = 0.0;
  if (row < p.rows) {
    for (var i = 4u * lane; i < p.width; i += 4u * LANES) {
      let value = xFour(row * p.width + i, p.width - i);
      if (OP == 1u) { sum += dot(value, yFour(row * p.width + i, p.width - i)); } else { sum += dot(value, value); }
    }
  }
  parts[t] = sum;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (lane < step) { parts[t] += parts[t + step]; }
  }
  if (lane != 0u || row >= p.rows) { return; }
  if (OP == 0u) { factors[p.to + row] = p.radius * inverseSqrt(max(parts[t], 1e-36)); }
  else {
    factors[p.to + row] = 1.0 / g[row];
    factors[p.to2 + row] = -parts[t] / g[row];
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = group.y * groups.x + group.x;
  switch OP {
    case 2u: { combine(at * 256u + t); }
    case 3u: {
      // The numbers that every run of factors begins with: 1, a, b, c, 0.
      if (t < 3u && at == 0u) { factors[1u + t] = xFour(t, 1u).x; }
      if (t == 3u && at == 0u) { factors[0] = 1.0; factors[4] = 0.0; }
    }
    default: { measure(at, t); }
  }
}
