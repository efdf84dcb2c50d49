// out[index i] += rows[i], in order: the first token of each index owns its row and adds all tokens that share it.
// One workgroup a token; `out` starts as zeros. LOCAL: the first token of each index among every SPAN tokens adds those of its span to a row of
// its own, and is an owner; the same kernel then adds the owners' rows. So no index, however frequent, is a long chain of sums.
struct Params { tokens: u32, width: u32, rows: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
@group(0) @binding(2) var<storage, read> indices: array<i32>;
@group(0) @binding(3) var<storage, read> rows: array<f32>;
@group(0) @binding(4) var<storage, read_write> owners: array<i32>;
var<workgroup> seen: array<u32, 256>;
var<workgroup> earlier: u32;
// A bit for each of SPAN tokens: it has the index. Which bits are set does not depend on the order they are set in.
var<workgroup> sharers: array<atomic<u32>, SPAN / 32u>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  let token = group.y * groups.x + group.x;
  if (token >= p.tokens) { return; }
  let index = indices[token];
  if (LOCAL == 1u && t == 0u) { owners[token] = -1; }
  if (index < 0 || index >= i32(p.rows)) { return; }
  let begin = select(0u, token - token % SPAN, LOCAL == 1u);
  let end = select(p.tokens, min(begin + SPAN, p.tokens), LOCAL == 1u);
  var before = 0u;
  for (var i = begin + t; i < token; i += 256u) { before |= u32(indices[i] == index); }
  seen[t] = before;
  for (var step = 128u; step > 0u; step /= 2u) {
    workgroupBarrier();
    if (t < step) { seen[t] |= seen[t + step]; }
  }
  if (t == 0u) { earlier = seen[0]; }
  if (workgroupUniformLoad(&earlier) != 0u) { return; }
  if (LOCAL == 1u && t == 0u) { owners[token] = index; }
  let row = select(u32(index), token, LOCAL == 1u);

  for (var column0 = 0u; column0 < p.width; column0 += 256u) {
    let column = column0 + t;
    var total = 0.0;
    for (var start = token; start < end; start += SPAN) {
      workgroupBarrier();
      if (t < SPAN / 32u) { atomicStore(&sharers[t], 0u); }
      workgroupBarrier();
      for (var i = t; i < SPAN; i += 256u) {
        if (start + i < end && indices[start + i] == index) { atomicOr(&sharers[i / 32u], 1u << (i % 32u)); }
      }
      workgroupBarrier();
      if (column < p.width) {
        for (var word = 0u; word < SPAN / 32u; word++) {
          var left = atomicLoad(&sharers[word]);
          while (left != 0u) {
            total += rows[(start + 32u * word + countTrailingZeros(left)) * p.width + column];
            left &= left - 1u;
          }
        }
      }
    }
    if (column < p.width) { out[row * p.width + column] = total; }
  }
}
