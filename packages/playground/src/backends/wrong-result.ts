import { type Backend, linearAttention, type Tensor, tensor, vjp } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import type { BackendName } from './names.ts';
import { openBackend } from './open.ts';

/** Of the largest number: float32 has seven digits, and a GPU may lose some of them. */
const tolerance = 1e-4;
const shape = [1, 24, 2, 8];

/** In what a backend is wrong here, if it is: attention and its gradients on a few tokens, against float64. */
export async function wrongResult(name: BackendName): Promise<string | undefined> {
  const { backend } = await openBackend(name);
  try {
    const [found, expected] = [await attended(backend), await attended(float64Backend())];
    const off = Math.max(...expected.map((values, i) => distance(found[i], values)));
    return off < tolerance ? undefined : `its results are off by ${off.toPrecision(1)} of their size`;
  } finally {
    await backend.dispose();
  }
}

async function attended(backend: Backend): Promise<number[][]> {
  const draw = (phase: number) =>
    tensor(
      backend,
      Float32Array.from({ length: 24 * 2 * 8 }, (_, i) => Math.sin(i * i + phase)),
      shape,
    );
  const [q, k, v, dOutput] = [0, 1, 2, 3].map(draw);
  const { outputs, pullback } = vjp(
    () => [linearAttention(q, k, v, { mask: 'causal', normalize: 'l2' }).output],
    [q, k, v],
  );
  const read = async (x: Tensor) => [...(await x.read())];
  return Promise.all([...outputs, ...pullback([dOutput])].map(read));
}

const distance = (found: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(found[i] - value))) / Math.max(...expected.map(Math.abs));
