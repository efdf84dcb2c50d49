import { l2Normalize, random, type Shape, type Tensor, vjp } from '@linattn/math';
import { layerNorm, rmsNorm } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import type { WebgpuBackend } from '../src/index.ts';
import { withSubgroups } from '../src/runtime/subgroups.ts';
import { open } from './adapter.ts';
import { worstError } from './compare.ts';

test('a text that needs subgroups is made whole, others are left alone', () => {
  const text = 'fn main() { x = across(y, subgroupSize / 2u); }';
  expect(withSubgroups(text, true)).toMatch(
    /^enable subgroups;\n[\s\S]*subgroupShuffleXor[\s\S]*fn main\(@builtin\(subgroup_size\) subgroupSize: u32, \)/,
  );
  expect(withSubgroups(text, false)).toMatch(/^const subgroupSize = 1u;\n/);
  expect(withSubgroups(text, false)).not.toMatch(/enable|subgroupShuffle/);
  expect(withSubgroups('fn main() {}', true)).toBe('fn main() {}');
});

const backends = [await open(), await open({ limits: 'default' })] as const;
const missing =
  backends.find((backend) => typeof backend === 'string') ??
  ((backends[0] as WebgpuBackend).device.features.has('subgroups') ? undefined : 'no subgroups here');
if (missing) console.warn(`Subgroups in WebGPU are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('reductions of rows', () => {
  const [having, lacking] = backends as readonly [WebgpuBackend, WebgpuBackend];
  if (missing !== undefined) return;
  afterAll(() => Promise.all([having.dispose(), lacking.dispose()]));

  test('only the one device has subgroups', () => {
    expect(lacking.device.features.has('subgroups')).toBe(false);
  });

  const functions: Readonly<Record<string, (...inputs: Tensor[]) => Tensor>> = {
    layerNorm: (x, weight, bias) => layerNorm(x, weight, bias),
    rmsNorm: (x, weight) => rmsNorm(x, weight),
    l2Normalize: (x) => l2Normalize(x),
  };

  const found = async (backend: WebgpuBackend, name: string, shape: Shape) => {
    const draw = (key: number, shape: Shape) =>
      random(backend, { shape, distribution: 'normal', key: [key, 5], stream: [0, 0] });
    const width = [shape.at(-1)!];
    const inputs = [draw(1, shape), draw(2, width), draw(3, width)] as const;
    const { outputs, pullback } = vjp(() => [functions[name](...inputs)], [inputs[0]]);
    const seed = draw(4, shape);
    const all = [...outputs, ...pullback([seed])];
    const values = await Promise.all(all.map((each) => each.read()));
    for (const each of [...inputs, ...all, seed]) each.dispose();
    return values;
  };

  test.each(
    Object.keys(functions).flatMap((name) =>
      [
        [9, 1],
        [13, 20],
        [3, 257],
        [70, 128],
      ].map((shape) => [name, shape] as const),
    ),
  )('%s of %j: the same bits with and without subgroups', async (name, shape) => {
    expect(await found(having, name, shape)).toEqual(await found(lacking, name, shape));
  });

  test.each(Object.keys(functions))('%s without subgroups, against float64', async (name) => {
    const inputs = [[13, 70], [70], [70]].slice(0, functions[name].length);
    expect(await worstError(lacking, inputs, functions[name])).toBeLessThan(1e-5);
  });
});
