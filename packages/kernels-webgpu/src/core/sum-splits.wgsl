// y = Σ over splits of x [splits, size], four elements an invocation and LANES invocations an output, each with four loads under way.
struct Params { fours: u32, splits: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
const LANES = 4u;
const WIDTH = 256u / LANES;
var<workgroup> parts: array<vec4f, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * WIDTH + t % WIDTH;
  var split = t / WIDTH;
  var sum = vec4f();
  if (at < p.fours) {
    for (; split + 3u * LANES < p.splits; split += 4u * LANES) {
      let a = x[split * p.fours + at];
      let b = x[(split + LANES) * p.fours + at];
      let c = x[(split + 2u * LANES) * p.fours + at];
      let d = x[(split + 3u * LANES) * p.fours + at];
      sum += (a + b) + (c + d);
    }
    for (; split < p.splits; split += LANES) { sum += x[split * p.fours + at]; }
  }
  parts[t] = sum;
  workgroupBarrier();
  if (t < WIDTH && at < p.fours) {
    for (var lane = 1u; lane < LANES; lane++) { sum += parts[t + lane * WIDTH]; }
    y[at] = sum;
  }
}
