import { timed } from './ceilings.ts';

// What matrix units do through `chromium_experimental_subgroup_matrix`: layouts and units of strides first (a wrong guess shows as an
// error, not as a slow kernel), then rates. Halves lie in arrays of vec4u, eight to an element.

const header = `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;
`;

const bindings = `
@group(0) @binding(0) var<storage, read> x: array<vec4u>;
@group(0) @binding(1) var<storage, read_write> y: array<vec4u>;
`;

/** One product of 16 x 16 tiles whose operands and result lie as `layouts` say. */
const product = (left: string, right: string, result: string): string => `${header}${bindings}
var<workgroup> tile: array<vec4u, 256>;
@compute @workgroup_size(32)
fn main(@builtin(local_invocation_index) t: u32) {
  // Rows of 24 halves: 3 elements. Left from 0 on, right from 48 on, the result (rows of 20 floats: 5 elements) from 96 on.
  for (var i = t; i < 256u; i += 32u) { tile[i] = x[i]; }
  workgroupBarrier();
  let a = subgroupMatrixLoad<Left, ${left}>(&tile, 0u, 3u);
  let b = subgroupMatrixLoad<Right, ${right}>(&tile, 48u, 3u);
  var c = subgroupMatrixLoad<Sum, ${result}>(&tile, 96u, 5u);
  c = subgroupMatrixMultiplyAccumulate(a, b, c);
  c = subgroupMatrixScalarMultiply(c, 0.5);
  workgroupBarrier();
  subgroupMatrixStore<${result}>(&tile, 96u, c, 5u);
  workgroupBarrier();
  for (var i = t; i < 256u; i += 32u) { y[i] = tile[i]; }
}`;

const half = (value: number): number => {
  // Small integers only.
  if (value === 0) return 0;
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return (value < 0 ? 0x8000 : 0) | ((exponent + 15) << 10) | Math.round((Math.abs(value) / 2 ** exponent - 1) * 1024);
};

async function wrongElements(
  device: GPUDevice,
  [left, right, result]: readonly [string, string, string],
): Promise<number> {
  const at = (layout: string, row: number, column: number, stride: number) =>
    layout === 'row_major' ? row * stride + column : column * stride + row;
  const a = (i: number, j: number) => ((i * 7 + j * 3) % 13) - 6;
  const b = (i: number, j: number) => ((i * 5 + j * 11) % 17) - 8;
  const c = (i: number, j: number) => i - 2 * j;
  const bytes = new ArrayBuffer(4096);
  const halves = new Uint16Array(bytes);
  const floats = new Float32Array(bytes);
  for (let i = 0; i < 16; i++) {
    for (let j = 0; j < 16; j++) {
      halves[at(left, i, j, 24)] = half(a(i, j));
      halves[384 + at(right, i, j, 24)] = half(b(i, j));
      floats[384 + at(result, i, j, 20)] = c(i, j);
    }
  }
  const storage = (usage: number) => device.createBuffer({ size: 4096, usage: 128 | usage });
  const [x, y] = [storage(8), storage(4)];
  device.queue.writeBuffer(x, 0, bytes);
  const module = device.createShaderModule({ code: product(left, right, result) });
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute: { module } });
  const entries = [x, y].map((buffer, binding) => ({ binding, resource: { buffer } }));
  const staging = device.createBuffer({ size: 4096, usage: 8 | 1 });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }));
  pass.dispatchWorkgroups(1);
  pass.end();
  encoder.copyBufferToBuffer(y, 0, staging, 0, 4096);
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(1);
  const found = new Float32Array(staging.getMappedRange().slice(0));
  let wrong = 0;
  for (let i = 0; i < 16; i++) {
    for (let j = 0; j < 16; j++) {
      let expected = c(i, j);
      for (let k = 0; k < 16; k++) expected += a(i, k) * b(k, j);
      if (found[384 + at(result, i, j, 20)] !== 0.5 * expected) wrong++;
    }
  }
  for (const each of [x, y, staging]) each.destroy();
  return wrong;
}

const rounds = 256;
const subgroups = 4;

/** A loop of products in workgroups of four subgroups; `body` makes `products` a round from lefts a0, a1 and sums c0 to c7. */
const loop = (body: string, held = 1152, N = 16): string => `${header}${bindings}
alias R = subgroup_matrix_right<f16, ${N}, 16>;
alias S = subgroup_matrix_result<f32, ${N}, 16>;
var<workgroup> tile: array<vec4u, ${held}>;
@compute @workgroup_size(${32 * subgroups})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32, @builtin(subgroup_id) s: u32) {
  for (var i = t; i < ${held}u; i += ${32 * subgroups}u) { tile[i] = x[i]; }
  workgroupBarrier();
  var a0 = subgroupMatrixLoad<Left, row_major>(&tile, 0u, 9u);
  var a1 = subgroupMatrixLoad<Left, row_major>(&tile, 2u, 9u);
  var b = subgroupMatrixLoad<R, row_major>(&tile, 4u, 9u);
  ${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `var c${i} = S();`).join(' ')}
  for (var k = 0u; k < ${rounds}u; k++) {
${body}
  }
  ${[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `subgroupMatrixStore<row_major>(&y, (group.x * ${subgroups}u + s) * 64u, c${i}, 4u);`).join('\n')}
}`;

const add = (c: number, a: string, b: string): string => `c${c} = subgroupMatrixMultiplyAccumulate(${a}, ${b}, c${c});`;
const eight = [0, 1, 2, 3, 4, 5, 6, 7];

interface Rate {
  readonly name: string;
  readonly code: string;
  /** Products of a round of one subgroup, and their columns. */
  readonly products: number;
  readonly columns: number;
}

/**
 * Eight loads a round, each used in \`uses\` products. The tile is of \`type\`s, \`per\` of them eight halves, with rows of 9 eights (stored by
 * columns: of 9 eights a column); where a load begins changes with every round, so that none is made once for all.
 */
const loads = (side: 'Left' | 'R', layout: string, type: string, per: number, uses: 1 | 2): string => {
  const at = (i: number) => `${per}u * ((k * 7u + ${i * 5}u) % 64u * 9u + ${2 * (i % 4)}u)`;
  const load = (i: number) => `subgroupMatrixLoad<${side}, ${layout}>(&part, ${at(i)}, ${9 * per}u)`;
  const product = (i: number) =>
    side === 'R'
      ? `${add(i, 'a0', 'r')} ${uses === 2 ? add((i + 4) % 8, 'a1', 'r') : ''}`
      : `${add(i, 'r', 'b')} ${uses === 2 ? add((i + 4) % 8, 'r', 'b1') : ''}`;
  const text = loop(eight.map((i) => `{ let r = ${load(i)}; ${product(i)} }`).join('\n'), 288);
  return text
    .replace('@compute', `var<workgroup> part: array<${type}, ${80 * 9 * per}>;\n@compute`)
    .replace(
      '  workgroupBarrier();',
      `  for (var i = t; i < ${80 * 9 * per}u; i += ${32 * subgroups}u) { part[i] = ${type}(${type.endsWith('h') || type.startsWith('vec4<') || type === 'f16' ? 'f16(i % 7u)' : '0x3c003800u + i % 3u'}); }\n  workgroupBarrier();`,
    )
    .replace('  var b = ', '  var b1 = subgroupMatrixLoad<R, row_major>(&tile, 2u, 9u);\n  var b = ');
};

const rates: readonly Rate[] = [
  {
    name: 'from registers',
    code: loop(eight.map((i) => add(i, i % 2 ? 'a1' : 'a0', 'b')).join('\n')),
    products: 8,
    columns: 16,
  },
  {
    name: 'from registers, 8 columns',
    code: loop(eight.map((i) => add(i, i % 2 ? 'a1' : 'a0', 'b')).join('\n'), 1152, 8),
    products: 8,
    columns: 8,
  },
  ...[2304, 1152, 576].map((held) => ({
    name: `from registers, ${held * 16} bytes held`,
    code: loop(eight.map((i) => add(i, i % 2 ? 'a1' : 'a0', 'b')).join('\n'), held),
    products: 8,
    columns: 16,
  })),
  ...(['R', 'Left'] as const).flatMap((side) =>
    ['row_major', 'col_major'].flatMap((layout) =>
      (
        [
          ['vec4u', 1],
          ['u32', 4],
          ['f16', 8],
          ['vec4<f16>', 2],
        ] as const
      ).map(([type, per]) => ({
        name: `${side === 'R' ? 'right' : 'left'} loaded by ${layout === 'row_major' ? 'rows' : 'columns'} from an array of ${type}, used twice`,
        code: loads(side, layout, type, per, 2),
        products: 16,
        columns: 16,
      })),
    ),
  ),
  {
    name: 'result stored to workgroup memory and loaded as left',
    code: loop(
      eight
        .map(
          (i) => `subgroupMatrixStore<row_major>(&tile, s * 288u + ${(i % 4) * 4}u, c${i}, 17u);
a0 = subgroupMatrixLoad<Left, row_major>(&tile, s * 288u + ${(i % 4) * 2}u, 9u);
${add(i, 'a0', 'b')}`,
        )
        .join('\n'),
    ),
    products: 8,
    columns: 16,
  },
];

/** 64 x 64 floats to halves in workgroup memory, as attention does it: their largest, then high and low parts. Each of `repeats` tiles. */
const repeats = 64;
const staging = (parts: 0 | 1 | 2, most: boolean): string => `${header}${bindings}
var<workgroup> tile: array<vec4u, 1152>;
var<workgroup> tops: array<atomic<u32>, ${repeats}>;
@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) t: u32) {
  var kept = vec4u();
  for (var k = 0u; k < ${repeats}u; k++) {
    var v: array<vec4f, 8>;
    ${eight.map((l) => `v[${l}] = bitcast<vec4f>(x[(group.x * ${repeats}u + k) * 1024u + ((t & 7u) + (${l >> 1}u * 16u + (t >> 3u)) * 8u) * 2u + ${l % 2}u]);`).join('\n')}
    var scale = 4.0;
    ${
      most
        ? `var top = vec4u();
    ${eight.map((l) => `top = max(top, bitcast<vec4u>(v[${l}]) & vec4u(0x7fffffff));`).join('\n')}
    let all = subgroupMax(max(max(top.x, top.y), max(top.z, top.w)));
    if (subgroupElect()) { atomicMax(&tops[k], all); }
    workgroupBarrier();
    scale = bitcast<f32>(clamp(268u - (atomicLoad(&tops[k]) >> 23u), 30u, 220u) << 23u);`
        : 'workgroupBarrier();'
    }
    ${[0, 1, 2, 3]
      .map((l) => {
        const to = `(${l * 16}u + (t >> 3u)) * 9u + (t & 7u)`;
        if (parts === 0)
          return `tile[${to}] = bitcast<vec4u>(v[${2 * l}]); tile[${to} + 576u] = bitcast<vec4u>(v[${2 * l + 1}]);`;
        return `{ let p = scale * v[${2 * l}]; let q = scale * v[${2 * l + 1}];
    let hi = vec4u(pack2x16float(p.xy), pack2x16float(p.zw), pack2x16float(q.xy), pack2x16float(q.zw));
    tile[${to}] = hi;
    ${
      parts === 2
        ? `let p0 = p.xy - unpack2x16float(hi.x); let p1 = p.zw - unpack2x16float(hi.y);
    let q0 = q.xy - unpack2x16float(hi.z); let q1 = q.zw - unpack2x16float(hi.w);
    tile[${to} + 576u] = vec4u(pack2x16float(p0), pack2x16float(p1), pack2x16float(q0), pack2x16float(q1));`
        : ''
    } }`;
      })
      .join('\n')}
    workgroupBarrier();
    kept += tile[(t * 9u + k) % 1152u];
  }
  y[group.x * 128u + t] = kept;
}`;

/** Prints and gives back what matrix units do on a device that has them (f16 operands, float32 sums, 16 x 16 x 16). */
export async function measureMatrixUnits(device: GPUDevice): Promise<unknown> {
  const layouts: Record<string, string> = {};
  for (const left of ['row_major', 'col_major']) {
    for (const [right, result] of [
      ['row_major', 'row_major'],
      ['col_major', 'row_major'],
      ['row_major', 'col_major'],
    ]) {
      const name = `${left} ${right} ${result}`;
      layouts[name] = await wrongElements(device, [left, right, result]).then(
        (wrong) => (wrong === 0 ? 'right' : `${wrong} of 256 elements wrong`),
        (error: unknown) => String(error).slice(0, 600),
      );
      console.log(`matrix units, ${name}: ${layouts[name]}`);
    }
  }
  const found: Record<string, number> = {};
  const note = (name: string, value: number, unit: string) => {
    found[name] = value;
    console.log(`matrix units, ${name}: ${value.toFixed(1)} ${unit}`);
  };
  const groups = 132 * 32;
  const guarded = async (name: string, body: () => Promise<void>) => {
    device.pushErrorScope('validation');
    await body().catch((error: unknown) => console.log(`${name}: ${String(error).slice(0, 600)}`));
    const error = await device.popErrorScope();
    if (error) console.log(`${name}: ${error.message.slice(0, 800)}`);
  };
  for (const { name, code, products, columns } of rates) {
    await guarded(name, async () => {
      const seconds = await timed(device, code, groups * subgroups * 1024, groups, 250);
      note(name, (groups * subgroups * rounds * products * 2 * 16 * 16 * columns) / seconds / 1e12, 'TFLOP/s');
    });
  }
  for (const [name, parts, most] of [
    ['staging floats', 0, false],
    ['staging high parts', 1, true],
    ['staging both parts, no largest', 2, false],
    ['staging both parts', 2, true],
  ] as const) {
    await guarded(name, async () => {
      const tiles = 132 * 8;
      const bytes = tiles * repeats * 16_384;
      const seconds = await timed(device, staging(parts, most), bytes, tiles, 250);
      note(name, bytes / seconds / 1e9, 'GB/s');
    });
  }
  return { layouts, rates: found };
}
