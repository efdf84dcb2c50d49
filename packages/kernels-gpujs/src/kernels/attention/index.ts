import { type Kernel, LimitError, type LinearAttentionAttributes, sizeOf } from '@linattn/math';
import type { Buffer } from '../../buffer.ts';
import type { Device } from '../../devices/device.ts';
import type { Program } from '../../program.ts';
import { Scratch } from '../../scratch.ts';
import { bufferOf } from '../handles.ts';
import { joinRows, sliceRows } from '../movement.ts';
import { callSizes, type Operand } from './call.ts';
import { backward, forward, type Inputs, type Run } from './linear-attention.ts';
import { type ArrayLimits, arrayLimits, chunkElements } from './plan.ts';

/** What an input or output is, for cutting it between heads. */
type Kind = 'tokens' | 'state' | 'coefficients';

const forwardInputs: readonly Kind[] = ['tokens', 'tokens', 'tokens', 'coefficients', 'state', 'tokens'];
const backwardInputs: readonly Kind[] = [...forwardInputs, 'tokens', 'tokens', 'tokens', 'state'];
const backwardOutputs: readonly Kind[] = ['tokens', 'tokens', 'tokens', 'coefficients', 'state'];

interface Cut {
  readonly along: 'batch' | 'heads';
  readonly start: number;
  readonly end: number;
}

/** [B, N, H, ·] and [B, H, ·, ·] have their batch first, and their heads third and second. */
const axisOf = (kind: Kind, { along }: Cut): number => (along === 'batch' ? 0 : kind === 'state' ? 1 : 2);

function slice(scratch: Scratch, operand: Operand, kind: Kind, cut: Cut): Operand {
  if (kind === 'coefficients') return operand;
  const axis = axisOf(kind, cut);
  const { buffer, shape } = operand;
  const [outer, inner] = [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis + 1))];
  const [start, length] = [cut.start * inner, (cut.end - cut.start) * inner];
  const part = sliceRows(scratch.device, buffer, outer, shape[axis] * inner, start, length);
  return { buffer: scratch.own(part), shape: shape.map((n, i) => (i === axis ? cut.end - cut.start : n)) };
}

const sum = (size: number): Program => ({
  name: 'sum of parts',
  inputs: { a: [size, 1, 1], b: [size, 1, 1] },
  output: [size, 1, 1],
  body: ({ x }) => `return a[${x}]+b[${x}];`,
});

/** Runs all heads at once, or, where one of gpu.js's arrays cannot hold what a chunk of them needs, half of them at a time. */
function inParts(
  scratch: Scratch,
  run: Run,
  inputs: Inputs,
  kinds: readonly [inputs: readonly Kind[], outputs: readonly Kind[]],
  attributes: LinearAttentionAttributes,
  limits: ArrayLimits,
): Buffer[] {
  const [q, k, v] = inputs as readonly Operand[];
  const sizes = callSizes(q, k, v, attributes);
  const needed = chunkElements(sizes);
  if (needed <= limits.largest) return run(scratch, inputs, attributes, limits);
  const along = sizes.batch > 1 ? 'batch' : 'heads';
  const extent = sizes.batch > 1 ? sizes.batch : sizes.heads;
  if (extent === 1)
    throw new LimitError('headDim', needed, 'elements that one chunk of one head may need', limits.largest);
  const half = Math.ceil(extent / 2);
  const cuts: readonly Cut[] = [
    { along, start: 0, end: half },
    { along, start: half, end: extent },
  ];
  const [first, second] = cuts.map((cut) => {
    const parts = inputs.map((input, i) => input && slice(scratch, input, kinds[0][i], cut));
    return inParts(scratch, run, parts, kinds, attributes, limits);
  });
  return first.map((buffer, i) => {
    const both = [scratch.own(buffer), scratch.own(second[i])];
    const kind = kinds[1][i];
    if (kind === 'coefficients') return scratch.run(sum(buffer.size), both);
    // Rows before the axis that was cut.
    const outer = along === 'batch' ? 1 : kind === 'state' ? 1 : tokensOf(inputs, i, run === forward);
    return joinRows(scratch.device, both, outer);
  });
}

/** Tokens of an output [1, N, H, ·]: of keys for dk and dv, else of queries. */
const tokensOf = (inputs: Inputs, output: number, isForward: boolean): number =>
  inputs[!isForward && (output === 1 || output === 2) ? 1 : 0]!.shape[1];

const operandsOf = (inputs: Parameters<Kernel<LinearAttentionAttributes>>[0]): Inputs =>
  inputs.map((input) => input && { buffer: bufferOf(input), shape: input.shape });

export const linearAttention =
  (device: Device, limits: ArrayLimits = arrayLimits): Kernel<LinearAttentionAttributes> =>
  (inputs, attributes) =>
    Scratch.use(device, (scratch) =>
      inParts(scratch, forward, operandsOf(inputs), [forwardInputs, ['tokens', 'tokens', 'state']], attributes, limits),
    );

export const linearAttentionBackward =
  (device: Device, limits: ArrayLimits = arrayLimits): Kernel<LinearAttentionAttributes> =>
  (inputs, attributes) =>
    Scratch.use(device, (scratch) =>
      inParts(scratch, backward, operandsOf(inputs), [backwardInputs, backwardOutputs], attributes, limits),
    );
