// δ = o · dO of each row [rows, width], eight invocations a row.
struct Params { rows: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> delta: array<f32>;
@group(0) @binding(2) var<storage, read> o: array<f32>;
@group(0) @binding(3) var<storage, read> dO: array<f32>;
const LANES = 8u;
var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let row = (group.y * groups.x + group.x) * (256u / LANES) + t / LANES;
  let end = select(0u, p.width, row < p.rows);
  var sum = 0.0;
  for (var i = t % LANES; i < end; i += LANES) { sum += o[row * p.width + i] * dO[row * p.width + i]; }
  parts[t] = sum;
  for (var step = LANES / 2u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (t % LANES < step) { parts[t] += parts[t + step]; }
  }
  if (t % LANES == 0u && row < p.rows) { delta[row] = parts[t]; }
}
