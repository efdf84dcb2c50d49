import { type Kernel, type OpAttributes, sizeOf } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import { type Extents, each, type Program, returns, sums, type Thread } from '../program.ts';
import { bufferOf } from './handles.ts';

/** Products are summed in runs of this many, and the runs then: rounding stays near that of one run. */
const runLength = 256;

/**
 * A loop of `length` steps over the integer `k` around statements that add to s0, s1, …: in runs where it is long.
 */
export function summing(thread: Thread, length: number, statements: (k: string, sum: string) => string): string {
  if (length <= 2 * runLength) return `${sums(thread)} for (let k=0; k<${length}; k++) { ${statements('k', 's')} }`;
  const runs = Math.floor(length / runLength);
  const tail = length - runs * runLength;
  const run = (start: string, steps: number, k: string) => `
    ${each(thread, (lane) => `t${lane}=0.0;`)}
    for (let ${k}=0; ${k}<${steps}; ${k}++) { ${statements(`${start}+${k}`, 't')} }
    ${each(thread, (lane) => `s${lane}+=t${lane};`)}`;
  return `${sums(thread)} ${sums(thread, 't')}
    for (let run=0; run<${runs}; run++) { ${run(`run*${runLength}`, runLength, 'k')} }
    ${tail > 0 ? run(String(runs * runLength), tail, 'i') : ''}`;
}

interface Product {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly batch: number;
  /** A number a column is added. */
  readonly bias?: boolean;
}

/** op(a) [batch][rows][inner] times op(b) [batch][inner][columns]. */
export function product({ transposeA, transposeB, rows, columns, inner, batch, bias = false }: Product): Program {
  const left: Extents = transposeA ? [rows, inner, batch] : [inner, rows, batch];
  const right: Extents = transposeB ? [inner, columns, batch] : [columns, inner, batch];
  return {
    name: `matmul ${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'}`,
    inputs: { a: left, b: right, ...(bias ? { bias: [columns, 1, 1] as const } : {}) },
    output: [columns, rows, batch],
    byRows: true,
    body: (thread) => {
      const { x, row } = thread;
      const z = batch === 1 ? '0' : thread.z;
      const loop = summing(thread, inner, (k, sum) => {
        const ofA = (lane: number) => (transposeA ? `a[${z}][${k}][${row(lane)}]` : `a[${z}][${row(lane)}][${k}]`);
        const ofB = transposeB ? `b[${z}][${x}][${k}]` : `b[${z}][${k}][${x}]`;
        return `const w=${ofB}; ${each(thread, (lane) => `${sum}${lane}+=${ofA(lane)}*w;`)}`;
      });
      return `${loop} ${returns(thread, (lane) => `s${lane}${bias ? `+bias[${x}]` : ''}`)}`;
    },
  };
}

export const matmul =
  (device: Device): Kernel<OpAttributes['matmul']> =>
  ([a, b], { transposeA, transposeB }, [out]) => {
    const [rows, columns] = out.shape.slice(-2);
    const inner = a!.shape.at(transposeA ? -2 : -1)!;
    const batch = sizeOf(out.shape.slice(0, -2));
    const program = product({ transposeA, transposeB, rows, columns, inner, batch });
    return [device.run(program, [bufferOf(a), bufferOf(b)])];
  };

export const linear =
  (device: Device): Kernel<OpAttributes['linear']> =>
  ([x, weight, bias]) => {
    const [columns, inner] = weight!.shape;
    const rows = x!.size / inner;
    const sizes = { transposeA: false, transposeB: true, rows, columns, inner, batch: 1, bias: bias !== undefined };
    return [device.run(product(sizes), [x, weight, ...(bias ? [bias] : [])].map(bufferOf))];
  };
