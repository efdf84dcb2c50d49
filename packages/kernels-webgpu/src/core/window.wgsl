// One axis of [outer, axis, inner], moved: slice, pad and concat. PLACE 0: out[o, a] = x[o, a + shift], or zeros where that is
// outside. PLACE 1: out[o, a + shift] = x[o, a].
struct Params { count: u32, inner: u32, outExtent: u32, inExtent: u32, shift: i32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Unit>;
@group(0) @binding(2) var<storage, read> x: array<Unit>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let at = (group.y * groups.x + group.x) * 256u + t;
  if (at >= p.count) { return; }
  let i = at % p.inner;
  let line = at / p.inner;
  if (PLACE == 1u) {
    let a = line % p.inExtent;
    let o = line / p.inExtent;
    out[(o * p.outExtent + u32(i32(a) + p.shift)) * p.inner + i] = x[at];
  } else {
    let a = i32(line % p.outExtent) + p.shift;
    let o = line / p.outExtent;
    if (a >= 0 && a < i32(p.inExtent)) { out[at] = x[(o * p.inExtent + u32(a)) * p.inner + i]; }
    else { out[at] = Unit(); }
  }
}
