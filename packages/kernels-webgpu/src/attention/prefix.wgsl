// Turns what each segment adds into what it sees before itself: an exclusive prefix sum over the slots of a head, from the initial
// state; the last slot gets the total, which also goes to `final` where one is wanted. A slot holds 1 + D rows: u, then D of S; of a
// second-order part m, the rows of S lie elsewhere in the initial and final state (from firstRow on), and u is zero. There rows
// (m, m') and (m', m) always act together: what goes into slots is their mean, so that gradients need but one of them.
struct Params { slot: u32, segments: u32, known: u32, pairs: u32, columns: u32, stateRows: u32, firstRow: u32, hasInitial: u32, hasFinal: u32, hasU: u32, width: u32, isCarried: u32, isLast: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> slots: array<f32>;
@group(0) @binding(2) var<storage, read> initial: array<f32>;
@group(0) @binding(3) var<storage, read_write> total: array<f32>;

@group(0) @binding(4) var<storage, read> carried: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let e = id.x;
  let pair = id.y;
  if (e >= p.slot) { return; }
  let row = e / p.columns;
  let inState = row > 0u || p.hasU == 1u;
  let source = (pair * p.stateRows + select(p.firstRow + row - 1u, 0u, row == 0u)) * p.columns + e % p.columns;
  var sum = 0.0;
  var skew = 0.0;
  if (p.hasInitial == 1u && inState) {
    let own = initial[source];
    var other = own;
    if (p.hasU == 0u) {
      let m = (p.firstRow - 1u - p.width) / p.width;
      let mirrored = 1u + p.width + (row - 1u) * p.width + m;
      other = initial[(pair * p.stateRows + mirrored) * p.columns + e % p.columns];
    }
    sum = 0.5 * (own + other);
    skew = 0.5 * (own - other);
  }
  // After the first phase of a chain: the mean and what was added to it since.
  if (p.isCarried == 1u && inState) { sum = carried[source]; }
  let base = pair * (p.segments + 1u) * p.slot + e;
  for (var s = 0u; s < p.segments; s++) {
    // Nobody asked for the last segments' own sums: they may not have been computed.
    let own = select(0.0, slots[base + s * p.slot], s < p.known);
    slots[base + s * p.slot] = sum;
    sum += own;
  }
  slots[base + p.segments * p.slot] = sum;
  if (p.hasFinal == 1u && inState) { total[source] = sum + select(0.0, skew, p.isLast == 1u); }
}
