// Sums over rows, a column an invocation, in splits of rows: Σ dy n, n = (x - μ) rstd, and Σ dy behind it (both of layerNorm's and
// rmsNorm's weight gradients).
struct Params { rows: u32, width: u32, splits: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;   // [splits, 2, width]
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read> mu: array<f32>;
@group(0) @binding(5) var<storage, read> rstd: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let column = id.x;
  if (column >= p.width) { return; }
  let part = (p.rows + p.splits - 1u) / p.splits;
  var sums = vec2f();
  for (var row = id.y * part; row < min(p.rows, (id.y + 1u) * part); row++) {
    let d = dy[row * p.width + column];
    var center = 0.0;
    if (CENTERED == 1u) { center = mu[row]; }
    sums += d * vec2f((x[row * p.width + column] - center) * rstd[row], 1.0);
  }
  out[id.y * 2u * p.width + column] = sums.x;
  out[(id.y * 2u + 1u) * p.width + column] = sums.y;
}
