import { coreOnly } from '../../src/conformance/index.ts';
import { float64Backend } from '../../src/float64/index.ts';
import type { Backend, Kernel, KernelTable } from '../../src/index.ts';

/**
 * A float32 backend in the making: the float64 core kernels with every result rounded to float32, and products summed in float32.
 * It shows that the registry's cases are within reach of float32 arithmetic, when operations are composed.
 */
export function roundingBackend(): Backend {
  const inner = float64Backend();
  const matmul: KernelTable['matmul'] = (inputs, attributes, outputs) => {
    const [handle] = inner.kernels.matmul!(inputs, attributes, outputs);
    const result = handle as Float64Array;
    const [a, b] = inputs.map((input) => input!.handle as Float64Array);
    const [rows, columns] = outputs[0].shape.slice(-2);
    const { transposeA, transposeB } = attributes;
    const depth = inputs[0]!.shape.at(transposeA ? -2 : -1)!;
    for (let at = 0; at < result.length; at++) {
      const batch = Math.floor(at / (rows * columns));
      const [i, j] = [Math.floor(at / columns) % rows, at % columns];
      let total = 0;
      for (let k = 0; k < depth; k++) {
        const x = a[batch * rows * depth + (transposeA ? k * rows + i : i * depth + k)];
        const y = b[batch * depth * columns + (transposeB ? j * depth + k : k * columns + j)];
        total = Math.fround(total + x * y);
      }
      result[at] = total;
    }
    return [handle];
  };
  const rounded =
    (kernel: Kernel<never>): Kernel<never> =>
    (...call) =>
      kernel(...call).map((handle) => {
        if (handle instanceof Float64Array) handle.set(Float32Array.from(handle));
        return handle;
      });
  const core = { ...coreOnly(inner).kernels, matmul } as Record<string, Kernel<never>>;
  return {
    name: 'float64 rounded to float32',
    dtype: 'float32',
    limits: inner.limits,
    kernels: Object.fromEntries(Object.entries(core).map(([name, kernel]) => [name, rounded(kernel)])) as KernelTable,
    upload: (values, spec) => inner.upload(spec.dtype === 'float' ? Float32Array.from(values) : values, spec),
    download: async (handle, spec) => {
      const values = await inner.download(handle, spec);
      return spec.dtype === 'float' ? Float32Array.from(values) : values;
    },
    release: (handle) => inner.release(handle),
    memory: () => inner.memory(),
    dispose: () => inner.dispose(),
  };
}
