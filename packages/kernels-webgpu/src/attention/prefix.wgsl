// Turns what each segment adds into what it sees before itself: an exclusive prefix sum over the slots of a head, from the initial
// state; the last slot gets the total, which also goes to `final` where one is wanted. Slots (run.wgsl) hold S by rows, then U, Z and
// c; states hold rows [u, c], then [S, Z], of a second-order part m from firstRow on, where u and c are zero. There rows
// (m, m') and (m', m) always act together: what goes into slots is their mean, so that gradients need but one of them.
// The slot after all of these becomes zero. Several parts lie a region apart.
struct Params { slot: u32, segments: u32, strideS: u32, pairs: u32, width: u32, valueWidth: u32, stateRows: u32, firstRow: u32, hasInitial: u32, hasFinal: u32, hasU: u32, isCarried: u32, isLast: u32, firstPair: u32, region: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<f32>;
@group(0) @binding(2) var<storage, read> initial: array<f32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;
@group(0) @binding(4) var<storage, read> carried: array<f32>;

const AHEAD = 8u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) t: u32) {
  // @registers own
  let e = (group.y * groups.x + group.x) * 256u + t;
  let pair = group.z % p.pairs;
  let part = group.z / p.pairs;
  let firstRow = p.firstRow + part * p.width;
  if (e >= p.slot) { return; }
  // Row m of S (or Z, in its last column), or of u and c.
  let deep = (p.width + 3u) / 4u * 4u;
  let atU = deep * p.strideS;
  let ofS = e < atU;
  let ofU = !ofS && e < atU + p.strideS;
  let ofZ = !ofS && !ofU && e < atU + p.strideS + deep;
  let m = select(e - atU - p.strideS, e / p.strideS, ofS);
  let column = select(p.valueWidth, select(e - atU, e % p.strideS, ofS), ofS || ofU);
  let hasRow = select(p.hasU == 1u, m < p.width, ofS || ofZ);
  let hasColumn = select(ofZ || e == p.slot - 4u, column < p.valueWidth, ofS || ofU);
  let inState = hasRow && hasColumn;
  let columns = p.valueWidth + 1u;
  // Among this run's heads; of all heads, others come before.
  let source = (pair * p.stateRows + select(0u, firstRow + m, ofS || ofZ)) * columns + column;
  let others = p.firstPair * p.stateRows * columns;
  var sum = 0.0;
  var skew = 0.0;
  if (p.hasInitial == 1u && inState) {
    let given = initial[others + source];
    var other = given;
    if (p.hasU == 0u) {
      let feature = (firstRow - 1u - p.width) / p.width;
      let mirrored = 1u + p.width + m * p.width + feature;
      other = initial[others + (pair * p.stateRows + mirrored) * columns + column];
    }
    sum = 0.5 * (given + other);
    skew = 0.5 * (given - other);
  }
  // After the first phase of a chain: the mean and what was added to it since.
  if (p.isCarried == 1u && inState) { sum = carried[source]; }
  let region = part * p.region;
  let base = region + pair * (p.segments + 1u) * p.slot + e;
  for (var first = 0u; first < p.segments; first += AHEAD) {
    var own: array<f32, AHEAD>;
    // All under way before the first is waited for.
    // @unroll
    for (var s = 0u; s < AHEAD; s++) { own[s] = slots[base + min(first + s, p.segments) * p.slot]; }
    // @unroll
    for (var s = 0u; s < AHEAD; s++) {
      if (first + s < p.segments) {
        slots[base + (first + s) * p.slot] = sum;
        sum += own[s];
      }
    }
  }
  slots[base + p.segments * p.slot] = sum;
  if (pair == 0u) { slots[region + p.pairs * (p.segments + 1u) * p.slot + e] = 0.0; }
  if (p.hasFinal == 1u && inState) { total[source + select(0u, others, p.isLast == 1u)] = sum + select(0.0, skew, p.isLast == 1u); }
}
