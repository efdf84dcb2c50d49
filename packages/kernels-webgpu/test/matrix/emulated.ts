import chunk from '../../src/matrix/chunk.wgsl?raw';
import { type MatrixUnits, matrixUnits } from '../../src/matrix/index.ts';
import product from '../../src/matrix/product.wgsl?raw';
import tile from '../../src/matrix/tile.wgsl?raw';
import emulated from './emulated.wgsl?raw';
import emulatedProduct from './emulated-product.wgsl?raw';

/** The kernels as they are, over products in plain WGSL: for adapters without matrix units, small sizes and patience. */
export function emulatedUnits(precision: 'split' | 'half'): MatrixUnits {
  const { texts } = matrixUnits(precision);
  const adapt = (source: string): string => {
    const adapted = source.replace(
      /, @builtin\(subgroup_id\) subgroup: u32\) \{/,
      ') {\n  let subgroup = t / 32u;\n  laneOf = t % 32u;',
    );
    if (adapted === source) throw new Error('the kernel does not begin as the emulation expects');
    return adapted;
  };
  return {
    precision,
    features: [],
    dawnFlags: [],
    texts: {
      directives: '',
      chunk: adapt(`${tile}\n${emulated}\n${chunk}`),
      largest: texts.largest,
      product: adapt(`${product}\n${emulatedProduct}`),
    },
  };
}
