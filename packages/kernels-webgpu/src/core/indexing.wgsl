// Rows by index. OP 0, gather: out[i] = table[index i], zeros outside. OP 1, oneHot: out[i, j] = 1 where j is index i.
// Declared before this text: Unit, and tableAt(i).
struct Params { count: u32, width: u32, rows: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read> table: array<Unit>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  let index = indices[at / p.width];
  let column = at % p.width;
  if (OP == 1u) { out[at] = select(0.0, 1.0, index == i32(column)); }
  else if (index >= 0 && index < i32(p.rows)) { out[at] = tableAt(u32(index) * p.width + column); }
  else { out[at] = 0.0; }
}
