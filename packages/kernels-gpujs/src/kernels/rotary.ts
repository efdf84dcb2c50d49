import type { Kernel, RotaryAttributes } from '@linattn/math';
import { rotaryAngle } from '@linattn/math/network';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { bufferOf } from './handles.ts';

/** Turns pairs (x_i, x_{i + half}) by angles whose cosines and sines come in a table [token][cos…, sin…]. */
function turned(batch: number, tokens: number, heads: number, width: number, half: number): Program {
  return {
    name: `rotary ${half} ${tokens}`,
    inputs: { a: [width, heads, batch * tokens], table: [2 * half, tokens, 1] },
    output: [width, heads, batch * tokens],
    body: ({ x, y, z, integer }) => `
      ${integer('token', `${z}-Math.floor((${z}+0.5)/${tokens}.0)*${tokens}`)}
      let s=a[${z}][${y}][${x}];
      if (${x}<${half}) { s=s*table[0][token][${x}]-a[${z}][${y}][${x}+${half}]*table[0][token][${x}+${half}]; }
      if (${x}>=${half}) { if (${x}<${2 * half}) {
        s=s*table[0][token][${x}-${half}]+a[${z}][${y}][${x}-${half}]*table[0][token][${x}];
      } }
      return s;`,
  };
}

export const rotary = (device: Device): Kernel<RotaryAttributes> => {
  // Every layer of a model turns by the same angles: the last table is kept, on the host.
  let known: { readonly key: string; readonly table: Float32Array } | undefined;
  return ([x], { dimensions, base, offset, inverse }) => {
    const [batch, tokens, heads, width] = x!.shape;
    const half = dimensions / 2;
    const key = [tokens, dimensions, base, offset, inverse].join();
    if (known?.key !== key) {
      const table = new Float32Array(tokens * dimensions);
      for (let at = 0; at < table.length; at++) {
        const [token, i] = [Math.floor(at / dimensions), at % dimensions];
        const angle = rotaryAngle(offset + token, i % half, dimensions, base);
        table[at] = i < half ? Math.cos(angle) : (inverse ? -1 : 1) * Math.sin(angle);
      }
      known = { key, table };
    }
    const copy = device.allocate(known.table.length);
    copy.set(known.table);
    const table = device.upload(copy);
    const result = device.run(turned(batch, tokens, heads, width, half), [bufferOf(x), table]);
    device.release(table);
    return [result];
  };
};
