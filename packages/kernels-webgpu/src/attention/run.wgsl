// What the attention kernels share: a run of tokens of one side or both, forwards or backwards, factors of rows, and slots of states.
struct Params {
  tokens: vec2u,           // of the tensors that x, and y and z, are rows of
  heads: u32, segment: u32,
  start: vec2u, length: u32, reverse: u32,
  // A slot holds S [features, strideS], then U, Z and c, in whole vec4s. Slots: [pair, segments + 1], one of zeros, then from `locals` on,
  // what each chunk but a segment's first sees of its own segment: [pair, segments, chunks - 1].
  segments: u32, slot: u32, strideS: u32, locals: u32,
  atU: u32, atZ: u32, atC: u32, chunk: u32,
  features: u32, columns: u32, causal: u32, extra: u32,
  // Row factors as (coefficient, plane), 0 for none: of x, α, y, β, z, ω and out.
  fx: vec2u, fAlpha: vec2u, fy: vec2u, fBeta: vec2u, fz: vec2u, fOmega: vec2u, fo: vec2u,
  accumulate: u32, planes: u32, full: u32, exchanged: u32,
  sumsAt: u32,
  firstPair: u32,          // of batch x heads; kernels count pairs from there
  lengths: u32,            // the plane of radius / |aux|, and 1 / radius²: what turns a gradient back through the normalisation
  inverseRadius2: f32,
  // Several parts of f: how many, the numbers from the slots of one to those of the next, and from its planes of x, α, y and z; the pairs.
  parts: u32, many: u32, region: u32, pairs: u32,
  stepX: u32, stepAlpha: u32, stepY: u32, stepZ: u32,
}
@group(0) @binding(0) var<uniform> p: Params;
// 1, a, b, c, 0, then planes of one number a row.
@group(0) @binding(1) var<storage, read> factors: array<f32>;

fn factor(which: vec2u, row: u32) -> f32 {
  var value = factors[which.x];
  if (which.y != 0u) { value *= factors[which.y + row]; }
  return value;
}
fn rowOf(side: u32, pair: u32, at: u32) -> u32 {
  let token = p.start[side] + select(at, p.length - 1u - at, p.reverse == 1u);
  let own = p.firstPair + pair;
  return ((own / p.heads) * p.tokens[side] + token) * p.heads + own % p.heads;
}
// Place (row, column) of invocation t among `down` x `columns`: neighbours lie in blocks of 4 x 8, two rows interleaved in each half, so
// that a half subgroup reads at most 128 bytes of a tile at a time.
fn placeOf(t: u32, down: u32, columns: u32) -> vec2u {
  let wide = min(columns, 8u);
  let high = min(down, 4u);
  let lane = t % (wide * high);
  let block = t / (wide * high);
  let across = columns / wide;
  let row = 2u * (lane / (2u * wide)) + lane % 2u;
  return vec2u((block / across) * high + row, (block % across) * wide + (lane / 2u) % wide);
}
