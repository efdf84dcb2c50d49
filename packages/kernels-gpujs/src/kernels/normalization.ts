import type { Kernel, OpAttributes } from '@linattn/math';
import type { Buffer } from '../buffer.ts';
import type { Device } from '../devices/device.ts';
import { float, type Program } from '../program.ts';
import { Scratch } from '../scratch.ts';
import { bufferOf } from './handles.ts';
import { reduceSpan } from './reduce.ts';

// Layer and RMS norm are one family: x̂ = (x - μ) r, with μ = 0 for RMS. `mu` says whether an input of means is there.

interface Rows {
  readonly rows: number;
  readonly width: number;
}

const array = ({ rows, width }: Rows) => [width, rows, 1] as const;
const perRow = ({ rows }: Rows) => [rows, 1, 1] as const;
const perColumn = ({ width }: Rows) => [width, 1, 1] as const;
const means = (size: Rows, mu: boolean): Program['inputs'] => (mu ? { mu: perRow(size) } : {});

const mean = (size: Rows): Program => ({
  name: 'row means',
  inputs: { a: array(size) },
  output: perRow(size),
  body: ({ x }) => `
    let s=0.0; for (let d=0; d<${size.width}; d++) { s+=a[0][${x}][d]; } return s*${float(1 / size.width)};`,
});

/** r = 1 / √(mean (x - μ)² + ε) */
const inverseDeviation = (size: Rows, mu: boolean, epsilon: number): Program => ({
  name: `row deviations ${epsilon}`,
  inputs: { a: array(size), ...means(size, mu) },
  output: perRow(size),
  body: ({ x }) => `
    ${mu ? `const center=mu[${x}];` : ''}
    let s=0.0;
    for (let d=0; d<${size.width}; d++) { const value=a[0][${x}][d]${mu ? '-center' : ''}; s+=value*value; }
    return 1.0/Math.sqrt(s*${float(1 / size.width)}+${float(epsilon)});`,
});

const standardized = (x: string, y: string, mu: boolean): string =>
  mu ? `((a[0][${y}][${x}]-mu[${y}])*rstd[${y}])` : `(a[0][${y}][${x}]*rstd[${y}])`;

/** x̂ · weight (+ bias) */
const normalized = (size: Rows, mu: boolean): Program => ({
  name: 'normalized',
  inputs: {
    a: array(size),
    weight: perColumn(size),
    ...(mu ? { bias: perColumn(size) } : {}),
    ...means(size, mu),
    rstd: perRow(size),
  },
  output: array(size),
  body: ({ x, y }) => `return ${standardized(x, y, mu)}*weight[${x}]${mu ? `+bias[${x}]` : ''};`,
});

/** mean over a row of dy · weight, or of that times x̂. */
const rowGradient = (size: Rows, mu: boolean, along: boolean): Program => ({
  name: `row gradients${along ? ' along' : ''}`,
  inputs: {
    dy: array(size),
    weight: perColumn(size),
    ...(along ? { a: array(size), ...means(size, mu), rstd: perRow(size) } : {}),
  },
  output: perRow(size),
  body: ({ x }) => `
    let s=0.0;
    for (let d=0; d<${size.width}; d++) { s+=dy[0][${x}][d]*weight[d]${along ? `*${standardized('d', x, mu)}` : ''}; }
    return s*${float(1 / size.width)};`,
});

/** dx = r (dy · weight - mean(dy · weight) - x̂ mean(dy · weight · x̂)) */
const inputGradient = (size: Rows, mu: boolean): Program => ({
  name: 'normalized input gradient',
  inputs: {
    dy: array(size),
    a: array(size),
    weight: perColumn(size),
    ...means(size, mu),
    rstd: perRow(size),
    along: perRow(size),
    ...(mu ? { level: perRow(size) } : {}),
  },
  output: array(size),
  body: ({ x, y }) => `
    return rstd[${y}]*(dy[0][${y}][${x}]*weight[${x}]${mu ? `-level[${y}]` : ''}-${standardized(x, y, mu)}*along[${y}]);`,
});

/** Σ over a run of rows of dy · x̂: [runs][width]. */
function weightRuns(size: Rows, mu: boolean): Program {
  const length = Math.ceil(Math.sqrt(size.rows));
  return {
    name: 'weight gradient runs',
    inputs: { dy: array(size), a: array(size), ...means(size, mu), rstd: perRow(size) },
    output: [size.width, Math.ceil(size.rows / length), 1],
    body: ({ x, y, integer }) => `
      ${integer('first', `${y}*${length}`)}
      ${integer('steps', `${size.rows}-first`)} if (steps>${length}) { steps=${length}; }
      let s=0.0;
      for (let i=0; i<steps; i++) { s+=dy[0][first+i][${x}]*${standardized(x, 'first+i', mu)}; }
      return s;`,
  };
}

const rowsOf = (size: number, width: number): Rows => ({ rows: size / width, width });

export const layerNorm =
  (device: Device): Kernel<OpAttributes['layerNorm']> =>
  ([x, weight, bias], { epsilon }) => {
    const size = rowsOf(x!.size, weight!.size);
    const [a, w, b] = [x, weight, bias].map(bufferOf);
    return Scratch.use(device, (scratch) => {
      const mu = scratch.run(mean(size), [a]);
      const rstd = scratch.run(inverseDeviation(size, true, epsilon), [a, mu]);
      return [scratch.run(normalized(size, true), [a, w, b, mu, rstd]), mu, rstd];
    });
  };

export const rmsNorm =
  (device: Device): Kernel<OpAttributes['rmsNorm']> =>
  ([x, weight], { epsilon }) => {
    const size = rowsOf(x!.size, weight!.size);
    const [a, w] = [x, weight].map(bufferOf);
    return Scratch.use(device, (scratch) => {
      const rstd = scratch.run(inverseDeviation(size, false, epsilon), [a]);
      return [scratch.run(normalized(size, false), [a, w, rstd]), rstd];
    });
  };

/** [dx, dweight] */
function gradients(
  scratch: Scratch,
  size: Rows,
  dy: Buffer,
  a: Buffer,
  weight: Buffer,
  mu: Buffer | undefined,
  rstd: Buffer,
) {
  const centered = mu !== undefined;
  const center = mu ? [mu] : [];
  const along = scratch.run(rowGradient(size, centered, true), [dy, weight, a, ...center, rstd]);
  const level = mu ? [scratch.run(rowGradient(size, true, false), [dy, weight])] : [];
  const dx = scratch.run(inputGradient(size, centered), [dy, a, weight, ...center, rstd, along, ...level]);
  const program = weightRuns(size, centered);
  const runs = scratch.run(program, [dy, a, ...center, rstd]);
  const span = { outer: 1, length: program.output[1], inner: size.width };
  return [dx, scratch.own(reduceSpan(scratch.device, 'sum', runs, span))];
}

export const layerNormBackward =
  (device: Device): Kernel<OpAttributes['layerNormBackward']> =>
  (inputs) => {
    const [dy, x, weight, mu, rstd] = inputs.map(bufferOf);
    const size = rowsOf(x.size, weight.size);
    return Scratch.use(device, (scratch) => [
      ...gradients(scratch, size, dy, x, weight, mu, rstd),
      scratch.own(reduceSpan(device, 'sum', dy, { outer: 1, length: size.rows, inner: size.width })),
    ]);
  };

export const rmsNormBackward =
  (device: Device): Kernel<OpAttributes['rmsNormBackward']> =>
  (inputs) => {
    const [dy, x, weight, rstd] = inputs.map(bufferOf);
    const size = rowsOf(x.size, weight.size);
    return Scratch.use(device, (scratch) => gradients(scratch, size, dy, x, weight, undefined, rstd));
  };
