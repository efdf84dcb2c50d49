import { timed } from './ceilings.ts';

// Products of float32 matrices on matrix units, cut and written in several ways: C = A B with A and B [4096, 4096], each stored as it is or
// transposed. A panel of BK features of both is cut into halves in workgroup memory, one or two parts a number; each of WM x WN subgroups has
// MI x NI tiles of 16 x 16 sums; loads run one panel ahead. Scales are fixed here, and the result is stored as it comes.

/** A way to write it. */
export interface MatrixWay {
  readonly parts: 1 | 2;
  readonly BK: number;
  readonly MI: number;
  readonly NI: number;
  readonly WM: number;
  readonly WN: number;
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Two panels in turns: one barrier a panel instead of two. */
  readonly double?: boolean;
  /** Tiles are loaded from places that the compiler of WGSL must check: it does not know that they are inside. */
  readonly checked?: boolean;
}

const base: Omit<MatrixWay, 'parts'> = { BK: 16, MI: 4, NI: 4, WM: 2, WN: 2 };
const ways: readonly MatrixWay[] = ([2, 1] as const).flatMap((parts) => [
  { ...base, parts },
  { ...base, parts, checked: true },
  { ...base, parts, double: true },
  { ...base, parts, BK: 32 },
  { ...base, parts, WN: 4 },
  { ...base, parts, WM: 4 },
  { ...base, parts, NI: 2 },
  { ...base, parts, NI: 2, BK: 32 },
  { ...base, parts, NI: 2, WN: 4 },
  { ...base, parts, MI: 2, WM: 4 },
  { ...base, parts, transposeB: true },
  { ...base, parts, transposeA: true },
]);

const size = 4096;
const quarter = size / 4;
const each = (count: number, line: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('\n');

/**
 * The kernel: x holds A, then B; y is C. Workgroup memory is in blocks, one for each row (or column) of subgroups, so that a subgroup loads
 * its tiles at constant places of its block.
 */
export function matrixProductText(way: MatrixWay): string {
  const { parts, BK, MI, NI, WM, WN, transposeA = false, transposeB = false, double = false, checked = false } = way;
  const NT = 32 * WM * WN;
  /** A's panel, or B's: `blocks` blocks of `tiles` tiles; stored by features (`turned`), or a block's rows are its own. */
  const operand = (name: string, turned: boolean, tiles: number, blocks: number) => {
    const [rows, eights] = turned ? [BK, 2 * tiles] : [16 * tiles, BK / 8];
    const stride = eights + 1 - (eights % 2);
    return {
      name,
      turned,
      tiles,
      blocks,
      rows,
      eights,
      stride,
      room: rows * stride,
      loads: (blocks * rows * eights) / NT,
    };
  };
  const a = operand('a', transposeA, MI, WM);
  const b = operand('b', !transposeB, NI, WN);
  type Operand = typeof a;
  /** Where load l of an invocation belongs: block, row and eight. */
  const place = ({ rows, eights, blocks, turned }: Operand, l: number) => {
    const e = `(t + ${l * NT}u)`;
    // Neighbours load what is next to each other in memory.
    return turned
      ? { block: `${e} / ${eights}u % ${blocks}u`, row: `${e} / ${eights * blocks}u`, eight: `${e} % ${eights}u` }
      : { block: `${e} / ${eights * rows}u`, row: `${e} / ${eights}u % ${rows}u`, eight: `${e} % ${eights}u` };
  };
  const fetch = (operand: Operand, start: string, first: number) =>
    each(operand.loads, (l) => {
      const { block, row, eight } = place(operand, l);
      const at = operand.turned
        ? `(next + ${row}) * ${quarter}u + ${start} / 4u + 2u * (${block} * ${operand.eights}u + ${eight})`
        : `(${start} + ${block} * ${operand.rows}u + ${row}) * ${quarter}u + next / 4u + 2u * (${eight})`;
      return `{ let at = ${first}u + ${at}; f${operand.name}${2 * l} = x[at]; f${operand.name}${2 * l + 1} = x[at + 1u]; }`;
    });
  const fetches = `${fetch(a, 'm0', 0)}\n${fetch(b, 'n0', size * quarter)}`;
  const stage = (operand: Operand) =>
    each(operand.loads, (l) => {
      const { block, row, eight } = place(operand, l);
      const { name, stride, room } = operand;
      return `{ let high = halves(leading(4096.0 * f${name}${2 * l}), leading(4096.0 * f${name}${2 * l + 1}));
let at = ${row} * ${stride}u + ${eight};
${name}Tile[turn][${block}][at] = high;
${parts === 2 ? `${name}Tile[turn][${block}][${room}u + at] = halves(rest(4096.0 * f${name}${2 * l}), rest(4096.0 * f${name}${2 * l + 1}));` : ''} }`;
    });
  const load = ({ name, turned, stride, room }: Operand, i: number, k: number, part: number) => {
    const [matrix, own, layout] =
      name === 'a'
        ? ['Left', 'wm', turned ? 'col_major' : 'row_major']
        : ['Right', 'wn', turned ? 'row_major' : 'col_major'];
    const at = part * room + (turned ? 16 * k * stride + 2 * i : 16 * i * stride + 2 * k);
    const offset = checked ? `${at}u + nothing` : `${at}u`;
    return `subgroupMatrixLoad<${matrix}, ${layout}>(&${name}Tile[turn][${own}], ${offset}, ${stride}u)`;
  };
  const add = (i: number, j: number, l: string, r: string) =>
    `c${i}_${j} = subgroupMatrixMultiplyAccumulate(${l}, ${r}, c${i}_${j});`;
  const step = (k: number) => `{
${each(MI, (i) => each(parts, (part) => `let a${i}_${part} = ${load(a, i, k, part)};`))}
${each(
  NI,
  (j) => `{ ${each(parts, (part) => `let b${part} = ${load(b, j, k, part)};`)}
${each(MI, (i) => (parts === 2 ? `${add(i, j, `a${i}_0`, 'b1')} ${add(i, j, `a${i}_1`, 'b0')}` : ''))}
${each(MI, (i) => add(i, j, `a${i}_0`, 'b0'))} }`,
)}
}`;
  const panels = double ? 2 : 1;
  return `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;
@group(0) @binding(0) var<storage, read> x: array<vec4f>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
var<workgroup> aTile: array<array<array<vec4u, ${parts * a.room}>, ${a.blocks}>, ${panels}>;
var<workgroup> bTile: array<array<array<vec4u, ${parts * b.room}>, ${b.blocks}>, ${panels}>;
fn leading(v: vec4f) -> vec4f { return ${parts === 2 ? 'bitcast<vec4f>(bitcast<vec4u>(v) & vec4u(0xffffe000u))' : 'v'}; }
fn rest(v: vec4f) -> vec4f { return v - leading(v); }
fn halves(p: vec4f, q: vec4f) -> vec4u { return vec4u(pack2x16float(p.xy), pack2x16float(p.zw), pack2x16float(q.xy), pack2x16float(q.zw)); }
@compute @workgroup_size(${NT})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) s: u32) {
  let wm = s / ${WN}u;
  let wn = s % ${WN}u;
  let m0 = group.x / ${size / (16 * NI * WN)}u * ${16 * MI * WM}u;
  let n0 = group.x % ${size / (16 * NI * WN)}u * ${16 * NI * WN}u;
  ${checked ? 'let nothing = group.y;' : ''}
  ${each(MI, (i) => each(NI, (j) => `var c${i}_${j} = Sum();`))}
  ${each(2 * a.loads, (l) => `var fa${l}: vec4f;`)}
  ${each(2 * b.loads, (l) => `var fb${l}: vec4f;`)}
  var next = 0u;
  ${fetches}
  for (var k0 = 0u; k0 < ${size}u; k0 += ${BK}u) {
    let turn = ${double ? `k0 / ${BK}u % 2u` : '0u'};
    ${double ? '' : 'workgroupBarrier();'}
    ${stage(a)}
    ${stage(b)}
    workgroupBarrier();
    next = min(k0 + ${BK}u, ${size - BK}u);
    ${fetches}
    ${each(BK / 16, step)}
  }
  ${each(MI, (i) => each(NI, (j) => `subgroupMatrixStore<row_major>(&y, (m0 + 16u * (wm * ${MI}u + ${i}u)) * ${size}u + n0 + 16u * (wn * ${NI}u + ${j}u), c${i}_${j}, ${size}u);`))}
}`;
}

/** TFLOP/s of every way: two operations a multiplication of float32 numbers, however many parts they have. */
export async function measureMatrixProducts(device: GPUDevice): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const way of ways) {
    const groups = size ** 2 / (256 * way.MI * way.WM * way.NI * way.WN);
    device.pushErrorScope('validation');
    let TFLOPs = Number.NaN;
    try {
      TFLOPs = (2 * size ** 3) / (await timed(device, matrixProductText(way), 8 * size ** 2, groups, 250)) / 1e12;
    } catch (error) {
      console.log(String(error).slice(0, 600));
    }
    const error = await device.popErrorScope();
    if (error) console.log(error.message.slice(0, 800));
    found.push({ ...way, TFLOPs });
    console.log(`${JSON.stringify(way)}: ${TFLOPs.toFixed(1)} TFLOP/s`);
  }
  return found;
}
