// What both kernels of matrix products (matmul.wgsl, matrix/product.wgsl) begin with.
struct Params {
  m: u32, n: u32, k: u32, batch: u32, splits: u32, kPerSplit: u32,
  aStart: u32, bStart: u32,   // the first element of A and of B
  column0: u32,               // what `finish` calls column 0
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(2) var<storage, read> a: array<UnitA>;
@group(0) @binding(3) var<storage, read> b: array<UnitB>;

// The workgroup's tile, and its share of K.
// @block product
  let split = group.z / p.batch;
  let batch = group.z % p.batch;
  let m0 = group.y * BM;
  let n0 = group.x * BN;
  let kEnd = min(p.k, (split + 1u) * p.kPerSplit);
  let aBase = p.aStart + batch * p.m * p.k;
  let bBase = p.bStart + batch * p.k * p.n;
  let cBase = (split * p.batch + batch) * p.m * p.n;
// @end
