import { type Backend, type Kernel, type KernelTable, LinattnError, sizeOf, type TensorSpec } from '@linattn/math';

/** An operation would bring live memory over the budget; it was not run. */
export class MemoryBudgetError extends LinattnError {
  constructor(operation: string, wanted: number, live: number, budget: number) {
    super('MEMORY_BUDGET', `${operation}: ${wanted} bytes beside ${live} live ones are over the budget of ${budget}`, {
      argument: 'memoryBudget',
      given: budget,
      expected: `at least ${live + wanted}`,
    });
  }
}

/** A backend that watches its memory. */
export interface Meter {
  /** The same backend, metered. */
  readonly backend: Backend;
  /** Most bytes that tensors held at once since the last reset. */
  readonly peakBytes: number;
  reset(): void;
}

/**
 * Counts live bytes (by the backend's own `memory()`) after every operation, and refuses one whose outputs would bring them over
 * `budget`. Scratch that a kernel takes and gives back within itself is not seen.
 */
export function meter(inner: Backend, budget: number): Meter {
  const bytesPerElement = inner.dtype === 'float64' ? 8 : 4;
  let peak = inner.memory().bytes;
  const produce = <T>(operation: string, specs: readonly TensorSpec[], body: () => T): T => {
    const wanted = specs.reduce((sum, { shape }) => sum + sizeOf(shape) * bytesPerElement, 0);
    const live = inner.memory().bytes;
    if (live + wanted > budget) throw new MemoryBudgetError(operation, wanted, live, budget);
    const result = body();
    peak = Math.max(peak, inner.memory().bytes);
    return result;
  };
  const watch =
    (name: string, kernel: Kernel<never>): Kernel<never> =>
    (inputs, attributes, outputs) =>
      produce(name, outputs, () => kernel(inputs, attributes, outputs));
  const kernels = Object.fromEntries(
    Object.entries<Kernel<never>>({ ...inner.kernels }).map(([name, kernel]) => [name, watch(name, kernel)]),
  ) as KernelTable;
  const backend: Backend = {
    name: inner.name,
    dtype: inner.dtype,
    limits: inner.limits,
    kernels,
    upload: (values, spec) => produce('upload', [spec], () => inner.upload(values, spec)),
    download: (handle, spec) => inner.download(handle, spec),
    release: (handle) => inner.release(handle),
    memory: () => inner.memory(),
    dispose: () => inner.dispose(),
  };
  return {
    backend,
    get peakBytes() {
      return peak;
    },
    reset: () => {
      peak = inner.memory().bytes;
    },
  };
}
