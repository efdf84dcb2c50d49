import { type Maybe, Tensor, TensorUseError, unscoped } from '@linattn/math';
import { toFloat32 } from './core/float16.ts';
import { bufferOf, type Gpu } from './runtime/gpu.ts';

/** Inputs, by operation, that kernels read in whichever way they are stored. */
const inPlace: Readonly<Record<string, readonly number[]>> = {
  matmul: [0, 1],
  linear: [0, 1],
  gather: [0],
  weightedLinearCrossEntropy: [1],
};

type Inputs = readonly Maybe<Tensor>[];

/**
 * Runs a kernel. Inputs stored in float16 that it cannot read are copied to float32 for as long as it records, so kernels need not know.
 * @throws TensorUseError for one that the kernel would write.
 */
export function withFloat16<T>(gpu: Gpu, name: string, inputs: Inputs, kernel: (readable: Inputs) => T): T {
  const copies: Tensor[] = [];
  const readable = inputs.map((input, i) => {
    if (!input || !bufferOf(input).half || inPlace[name]?.includes(i)) return input;
    if (name === 'adamW') checkReadOnly(i);
    const copy = toFloat32(gpu, bufferOf(input), input.size);
    copies.push(unscoped(() => Tensor.own(input.backend, input, copy)));
    return copies.at(-1);
  });
  try {
    return kernel(readable);
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

/** AdamW takes a scale, and of each parameter itself, its gradient and two moments, and writes all of these but the gradient. */
function checkReadOnly(input: number): void {
  const role = (input + 3) % 4;
  if (input === 0 || role === 1) return;
  const what = ['the parameter', '', 'the first moment', 'the second moment'][role];
  throw new TensorUseError(
    `adamW: group ${(input - 1) >> 2}: ${what} is stored in float16, which is not updated in place; train the float32 tensor, and copy it with toFloat16 after`,
    'parameter',
  );
}
