// out_i ← out_i / g_i, a row of `width` numbers for each g: the last step of second-order attention, whose parts were added up before.
struct Params { count: u32, width: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> g: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at < p.count) { out[at] /= g[at / p.width]; }
}
