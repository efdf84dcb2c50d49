// Factors of rows, one workgroup of 256 for 4 · 256 / LANES rows (OP 0 and 1): an invocation has its share of four rows, all under way at
// once. OP 0: radius / |x| (rows too short to have a length count as 1e-18 long). OP 1: 1 / g and -δ = -(o · dO) / g (math.md, Backward).
// OP 2: products of up to two planes and a feature of x, `count` planes of them: of features, or of planes, that follow one another. OP 3: nothing but the header, which the first launch writes, whatever it is.
struct Params { rows: u32, width: u32, to: u32, to2: u32, radius: f32, planeA: u32, planeB: u32, feature: u32, header: u32, count: u32, stepA: u32, stepB: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> factors: array<f32>;
@group(0) @binding(2) var<storage, read> x: array<Unit>;
@group(0) @binding(3) var<storage, read> y: array<Unit>;
@group(0) @binding(4) var<storage, read> g: array<f32>;
@group(0) @binding(5) var<storage, read> coefficients: array<f32>;
var<workgroup> parts: array<vec4f, 256>;
const APART = 256u / LANES;            // rows between an invocation's

fn combine(at: u32) {
  if (at >= p.count * p.rows) { return; }
  let which = at / p.rows;
  let row = at % p.rows;
  var value = 1.0;
  if (p.planeA != 0u) { value *= factors[p.planeA + which * p.stepA + row]; }
  if (p.planeB != 0u) { value *= factors[p.planeB + which * p.stepB + row]; }
  if (p.feature < p.width) { value *= xFour(row * p.width + p.feature + which, 1u).x; }
  factors[p.to + at] = value;
}

// The sum over the lanes of a row, for all of them: by halves, through memory until a subgroup can go on by itself. The order, and so
// every bit, is the same for all sizes of subgroups.
fn total(value: vec4f, t: u32, size: u32) -> vec4f {
  var sum = value;
  var step = LANES / 2u;
  if (size < LANES) {
    parts[t] = value;
    for (; step >= size; step /= 2u) {
      workgroupBarrier();
      if (t % LANES < step) { parts[t] += parts[t + step]; }
    }
    workgroupBarrier();
    sum = parts[t - t % LANES + t % size];
  }
  for (; step > 0u; step /= 2u) { sum += vec4f(across(sum.xy, step), across(sum.zw, step)); }
  return sum;
}

fn measure(group: u32, t: u32, size: u32) {
  let lane = t % LANES;
  let first = group * 4u * APART + t / LANES;
  var sum = vec4f();
  for (var i = 4u * lane; i < p.width; i += 4u * LANES) {
    let left = p.width - i;
    // Past the last row the last is loaded again.
    let at = min(first + APART * vec4u(0u, 1u, 2u, 3u), vec4u(p.rows - 1u)) * p.width + i;
    let x0 = xFour(at.x, left);
    let x1 = xFour(at.y, left);
    let x2 = xFour(at.z, left);
    let x3 = xFour(at.w, left);
    if (OP == 1u) {
      let y0 = yFour(at.x, left);
      let y1 = yFour(at.y, left);
      let y2 = yFour(at.z, left);
      let y3 = yFour(at.w, left);
      sum += vec4f(dot(x0, y0), dot(x1, y1), dot(x2, y2), dot(x3, y3));
    } else {
      sum += vec4f(dot(x0, x0), dot(x1, x1), dot(x2, x2), dot(x3, x3));
    }
  }
  let sums = total(sum, t, size);
  let row = first + APART * lane;
  if (lane >= 4u || row >= p.rows) { return; }
  if (OP == 0u) { factors[p.to + row] = p.radius * inverseSqrt(max(sums[lane], 1e-36)); }
  else {
    factors[p.to + row] = 1.0 / g[row];
    factors[p.to2 + row] = -sums[lane] / g[row];
  }
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = group.y * groups.x + group.x;
  if (OP < 2u) { measure(at, t, subgroupSize); }
  if (OP == 2u) { combine(at * 256u + t); }
  if (p.header == 1u && at == 0u) {
    // The numbers that every run of factors begins with: 1, a, b, c, 0.
    if (t < 3u) { factors[1u + t] = coefficients[t]; }
    if (t == 3u) { factors[0] = 1.0; factors[4] = 0.0; }
  }
}
