import { rotaryAngle } from '@linattn/math/network';
import { address, type Device } from '../device.ts';
import type { Block } from '../memory/arena.ts';
import { blocksOf, type KernelsOf, rowsPerBlock } from './table.ts';

/** Cosines and sines of a range of positions, computed in float64 as the reference does. */
interface Table {
  readonly block: Block;
  readonly start: number;
  readonly length: number;
}

/** Fewest positions a table holds: a decoding step then makes one in 256 times only. */
const leastPositions = 256;

export const rotary: KernelsOf<'rotary'> = (device) => {
  const tables = new Map<string, Table>();
  return {
    rotary: ([x], { dimensions, base, offset, inverse }, outputs) =>
      device.produce('rotary', outputs, (y) => {
        const [batch, tokens, heads, width] = x!.shape;
        const half = dimensions / 2;
        const key = `${dimensions} ${base}`;
        let table = tables.get(key);
        if (!table || offset < table.start || offset + tokens > table.start + table.length) {
          // One table a kind: a model asks for the same positions again and again.
          if (table) device.release(table.block);
          tables.delete(key);
          table = makeTable(device, offset, Math.max(tokens, leastPositions), dimensions, base);
          tables.set(key, table);
        }
        const cosines = table.block.address + (offset - table.start) * half * 4;
        const sines = cosines + table.length * half * 4;
        const rows = batch * tokens;
        const perBlock = rowsPerBlock(heads * width);
        const sizes = [tokens, heads, width, half, inverse ? -1 : 1, rows, perBlock];
        device.run('rotary', blocksOf(rows, perBlock), [address(x), y, cosines, sines, ...sizes]);
      }),
  };
};

function makeTable(device: Device, start: number, length: number, dimensions: number, base: number): Table {
  const half = dimensions / 2;
  const block = device.allocateInternal('rotary', length * dimensions * 4);
  const values = device.floats(block.address, length * dimensions);
  for (let position = 0, at = 0; position < length; position++) {
    for (let pair = 0; pair < half; pair++, at++) {
      const angle = rotaryAngle(start + position, pair, dimensions, base);
      values[at] = Math.cos(angle);
      values[length * half + at] = Math.sin(angle);
    }
  }
  return { block, start, length };
}
