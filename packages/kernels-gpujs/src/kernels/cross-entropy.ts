import type { Kernel, OpAttributes } from '@linattn/math';
import type { Device } from '../devices/device.ts';
import type { Program } from '../program.ts';
import { bufferOf } from './handles.ts';

/** log Σ exp of each row, the largest taken out first. */
const logSums = (rows: number, width: number): Program => ({
  name: 'log sums',
  inputs: { a: [width, rows, 1] },
  output: [rows, 1, 1],
  body: ({ x, math }) => `
    let highest=a[0][${x}][0]; for (let i=1; i<${width}; i++) { highest=Math.max(highest, a[0][${x}][i]); }
    let s=0.0; for (let j=0; j<${width}; j++) { ${math.exp('u', `a[0][${x}][j]-highest`)} s+=u; }
    return Math.log(s)+highest;`,
});

/** A target outside [0, width) has no logit: its loss is the log sum alone. */
const losses = (rows: number, width: number): Program => ({
  name: 'cross entropy',
  inputs: { a: [width, rows, 1], targets: [rows, 1, 1], sums: [rows, 1, 1] },
  output: [rows, 1, 1],
  body: ({ x, integer }) => `
    const target=targets[${x}];
    ${integer('at', 'Math.floor(target+0.5)')}
    let known=0.0; if (target>=0.0) { if (target<${width}.0) { known=a[0][${x}][at]; } }
    return sums[${x}]-known;`,
});

export const crossEntropy =
  (device: Device): Kernel<OpAttributes['crossEntropy']> =>
  ([logits, targets]) => {
    const [rows, width] = logits!.shape;
    const a = bufferOf(logits);
    const sums = device.run(logSums(rows, width), [a]);
    return [device.run(losses(rows, width), [a, bufferOf(targets), sums]), sums];
  };

/** (softmax - 1[target]) dy */
export const crossEntropyBackward =
  (device: Device): Kernel<OpAttributes['crossEntropyBackward']> =>
  (inputs) => {
    const [rows, width] = inputs[0]!.shape;
    const program: Program = {
      name: 'cross entropy gradient',
      inputs: { a: [width, rows, 1], targets: [rows, 1, 1], sums: [rows, 1, 1], dy: [rows, 1, 1] },
      output: [width, rows, 1],
      body: ({ x, y, math }) => `
        ${math.exp('u', `a[0][${y}][${x}]-sums[${y}]`)}
        let p=u; if (targets[${y}]===${x}) { p=p-1.0; }
        return p*dy[${y}];`,
    };
    return [device.run(program, inputs.map(bufferOf))];
  };
