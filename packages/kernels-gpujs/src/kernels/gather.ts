import type { Kernel, OpAttributes } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { bufferOf } from './handles.ts';

/** A whole number read from an array, as an integer. */
const whole = (value: string): string => `Math.floor(${value}+0.5)`;

export const gather =
  (device: Device): Kernel<OpAttributes['gather']> =>
  ([table, indices]) => {
    const [rows, width] = table!.shape;
    const count = indices!.size;
    const program: Program = {
      name: 'gather',
      inputs: { a: [width, rows, 1], at: [count, 1, 1] },
      output: [width, count, 1],
      // A float holds the index exactly; the array is read only where it is inside.
      body: ({ x, y, integer }) => `
        let s=0.0; ${integer('row', whole(`at[${y}]`))}
        if (row>=0) { if (row<${rows}) { s=a[0][row][${x}]; } }
        return s;`,
    };
    return [device.run(program, [bufferOf(table), bufferOf(indices)])];
  };

/**
 * Each row of the result adds its own source rows, in their order: the same sum every time. The order is sorted on the host,
 * which knows all indices.
 */
export const scatterAdd =
  (device: Device): Kernel<OpAttributes['scatterAdd']> =>
  ([indices, source], { rows }) => {
    const count = indices!.size;
    const width = source!.shape.at(-1)!;
    const [starts, order] = sorted(device, bufferOf(indices).host!, rows);
    const [from, list] = [device.upload(starts), device.upload(order)];
    const program: Program = {
      name: 'scatterAdd',
      inputs: { a: [width, count, 1], from: [rows + 1, 1, 1], list: [count, 1, 1] },
      output: [width, rows, 1],
      body: ({ x, y, integer }) => `
        ${integer('first', whole(`from[${y}]`))} ${integer('steps', whole(`from[${y}+1]`))} steps=steps-first;
        ${integer('row', '0')}
        let s=0.0; for (let i=0; i<steps; i++) { row=${whole('list[first+i]')}; s+=a[0][row][${x}]; }
        return s;`,
    };
    const result = device.run(program, [bufferOf(source), from, list]);
    device.release(from);
    device.release(list);
    return [result];
  };

/** Positions in the order of their index, and where each index's run starts. Indices outside are left out. */
function sorted(device: Device, indices: Float32Array, rows: number): [starts: Float32Array, order: Float32Array] {
  const starts = device.allocate(rows + 1).fill(0);
  for (const row of indices) if (row >= 0 && row < rows) starts[row + 1]++;
  for (let row = 0; row < rows; row++) starts[row + 1] += starts[row];
  const next = starts.slice();
  const order = device.allocate(indices.length).fill(0);
  indices.forEach((row, at) => {
    if (row >= 0 && row < rows) order[next[row]++] = at;
  });
  return [starts, order];
}

export const oneHot =
  (device: Device): Kernel<OpAttributes['oneHot']> =>
  ([indices], { depth }) => {
    const count = indices!.size;
    const program: Program = {
      name: 'oneHot',
      inputs: { at: [count, 1, 1] },
      output: [depth, count, 1],
      body: ({ x, y }) => `let s=0.0; if (at[${y}]===${x}) { s=1.0; } return s;`,
    };
    return [device.run(program, [bufferOf(indices)])];
  };
