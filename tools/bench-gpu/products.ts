import { timed } from './ceilings.ts';

// What holds a product of float32 matrices in WGSL: one plain kernel, C = Aᵀ B with A and B [4096, 4096], cut and written in several ways.
// A panel of BK rows of A and of B goes to workgroup memory; TY x TX invocations have TM x TN sums each; loads run one panel ahead.

/** A way to write it. */
export interface Way {
  readonly TM: number;
  readonly TN: number;
  readonly TY: number;
  readonly TX: number;
  readonly BK: number;
  /** Steps of a panel that are written out in a loop over it; all of them, without a loop, by default. */
  readonly written?: number;
  /** Two panels in turns: one barrier a panel instead of two. */
  readonly double?: boolean;
  /** Loads stand under the condition that there is a next panel. */
  readonly guarded?: boolean;
}

const base: Way = { TM: 8, TN: 8, TY: 16, TX: 16, BK: 16 };
const ways: readonly Way[] = [
  base,
  { ...base, guarded: true },
  ...[1, 2, 4, 8].map((written) => ({ ...base, written })),
  { ...base, BK: 8 },
  { ...base, BK: 8, double: true },
  { ...base, double: true },
  { ...base, TY: 8 },
  { ...base, TY: 8, TX: 8 },
  { ...base, TM: 16, TY: 8 },
  { ...base, TN: 16, TX: 8 },
  { ...base, TN: 4 },
  { ...base, TM: 4, TN: 4 },
];

const size = 4096;
const quarter = size / 4;
const each = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/** The kernel: x holds A, then B; y is C. */
export function productText({ TM, TN, TY, TX, BK, written = 0, double = false, guarded = false }: Way): string {
  const [NT, M4, N4] = [TY * TX, (TM * TY) / 4, (TN * TX) / 4];
  const [R4, J4] = [TM / 4, TN / 4];
  const panels = double ? 2 : 1;
  // Invocation t loads every NT-th vec4 of a panel.
  const place = (wide: number, l: number) => ({
    row: `(t + ${l * NT}u) / ${wide}u`,
    column: `(t + ${l * NT}u) % ${wide}u`,
  });
  const load = (name: string, wide: number, start: string) =>
    each((BK * wide) / NT, (l) => {
      const { row, column } = place(wide, l);
      return `${name}${l} = x[${start} + (next + ${row}) * ${quarter}u + ${column}];`;
    });
  const loads = `${load('fa', M4, 'm0')}\n${load('fb', N4, `${size * quarter}u + n0`)}`;
  const store = (name: string, panel: string, wide: number) =>
    each((BK * wide) / NT, (l) => {
      const { row, column } = place(wide, l);
      return `${panel}[at + ${row}][${column}] = ${name}${l};`;
    });
  const step = (k: string) => `{
${each(R4, (r) => `let a${r} = pa[${k}][ty + ${TY * r}u];`)}
${each(J4, (j) => `let b${j} = pb[${k}][tx + ${TX * j}u];`)}
${each(TM, (r) => each(J4, (j) => `c${r}_${j} = fma(vec4f(a${r >> 2}[${r & 3}]), b${j}, c${r}_${j});`))}
}`;
  const multiply = written
    ? `for (var k = 0u; k < ${BK}u; k += ${written}u) {\n${each(written, (u) => step(`at + k + ${u}u`))}\n}`
    : each(BK, (k) => step(`at + ${k}u`));
  return `
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4f>;
var<workgroup> pa: array<array<vec4f, ${M4 + 1}>, ${panels * BK}>;
var<workgroup> pb: array<array<vec4f, ${N4 + 1}>, ${panels * BK}>;
@compute @workgroup_size(${NT})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  let tx = t / 32u % ${TX / 8}u * 8u + t % 8u;
  let ty = t / ${4 * TX}u * 4u + t % 32u / 8u;
  let m0 = group.x / ${quarter / N4}u * ${M4}u;
  let n0 = group.x % ${quarter / N4}u * ${N4}u;
  ${each(TM, (r) => each(J4, (j) => `var c${r}_${j} = vec4f();`))}
  ${each((BK * M4) / NT, (l) => `var fa${l}: vec4f;`)}
  ${each((BK * N4) / NT, (l) => `var fb${l}: vec4f;`)}
  var next = 0u;
  ${loads}
  for (var k0 = 0u; k0 < ${size}u; k0 += ${BK}u) {
    let at = ${double ? `k0 / ${BK}u % 2u * ${BK}u` : '0u'};
    ${double ? '' : 'workgroupBarrier();'}
    ${store('fa', 'pa', M4)}
    ${store('fb', 'pb', N4)}
    workgroupBarrier();
    next = ${guarded ? `k0 + ${BK}u` : `min(k0 + ${BK}u, ${size - BK}u)`};
    ${guarded ? `if (next < ${size}u) {\n${loads}\n}` : loads}
    ${multiply}
  }
  ${each(TM, (r) => each(J4, (j) => `y[(4u * (m0 + ty + ${TY * (r >> 2)}u) + ${r & 3}u) * ${quarter}u + n0 + tx + ${TX * j}u] = c${r}_${j};`))}
}`;
}

/** TFLOP/s of every way. */
export async function measureProducts(device: GPUDevice): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const way of ways) {
    const groups = size ** 2 / (way.TM * way.TY * way.TN * way.TX);
    const seconds = await timed(device, productText(way), 8 * size ** 2, groups, 300);
    const TFLOPs = (2 * size ** 3) / seconds / 1e12;
    found.push({ ...way, TFLOPs });
    console.log(`${JSON.stringify(way)}: ${TFLOPs.toFixed(1)} TFLOP/s`);
  }
  return found;
}
