import { type Backend, type Kernel, type KernelTable, LinattnError, sizeOf, type TensorSpec } from '@linattn/math';

/** Tensors would take more than was allowed. */
export class MemoryLimitError extends LinattnError {
  constructor(operation: string, bytes: number, limit: number) {
    super('MEMORY_LIMIT', `${operation}: tensors would take ${bytes} bytes; ${limit} are allowed`, {
      argument: operation,
      given: bytes,
      expected: `at most ${limit} bytes`,
    });
  }
}

export interface LimitedBackend extends Backend {
  /** Most bytes in tensors since the last `resetPeak`. */
  peakBytes(): number;
  resetPeak(): void;
}

/** A backend that notes how much its tensors take, and refuses to take more than `limit` bytes before it does. */
export function limitedBackend(inner: Backend, limit: number): LimitedBackend {
  let peak = 0;
  const bytesOf = (specs: readonly TensorSpec[]) =>
    specs.reduce((sum, { shape }) => sum + sizeOf(shape) * (inner.dtype === 'float64' ? 8 : 4), 0);
  const within = <T>(operation: string, specs: readonly TensorSpec[], compute: () => T): T => {
    const wanted = inner.memory().bytes + bytesOf(specs);
    if (wanted > limit) throw new MemoryLimitError(operation, wanted, limit);
    const result = compute();
    peak = Math.max(peak, inner.memory().bytes);
    return result;
  };
  const kernels = Object.fromEntries(
    Object.entries<Kernel<never>>(inner.kernels as Record<string, Kernel<never>>).map(([name, kernel]) => [
      name,
      ((inputs, attributes, outputs) =>
        within(name, outputs, () => kernel(inputs, attributes, outputs))) satisfies Kernel<never>,
    ]),
  ) as KernelTable;
  return {
    ...inner,
    kernels,
    upload: (values, spec) => within('upload', [spec], () => inner.upload(values, spec)),
    peakBytes: () => peak,
    resetPeak: () => {
      peak = inner.memory().bytes;
    },
  };
}
