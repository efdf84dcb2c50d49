import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { linearAttention, random, scope, type Tensor, vjp } from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import { tuning } from '../../packages/kernels-webgpu/src/attention/run.ts';
import { time, timeEach } from './measure.ts';

/** As in a step of training a small model: 4 heads of 32, as many tokens in all; and longer ones. */
const settings = [
  { batch: 8, tokens: 512 },
  { batch: 1, tokens: 4096 },
  { batch: 1, tokens: 16_384 },
  { batch: 1, tokens: 65_536 },
];
const [heads, width] = [4, 32];

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;
const second: Attend = (...qkv) => linearAttention(...qkv, { c: 0.5 }).output;
const ways: Readonly<Record<string, { readonly attend: Attend; readonly parts?: number }>> = {
  'f(x) = 1 + x': { attend: (...qkv) => linearAttention(...qkv).output },
  'f(x) = 1 + x + x²/2': { attend: second },
  'the same, a feature at a time': { attend: second, parts: 1 },
  'softmax, tiled': { attend: (...qkv) => softmaxAttention(...qkv) },
};

/** Causal attention of second order against the first and softmax: milliseconds on the device, forward and backward together, by kernel. */
export async function benchSecondOrder(backend: WebgpuBackend): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { batch, tokens } of settings) {
    const draw = (key: number) =>
      random(backend, { shape: [batch, tokens, heads, width], distribution: 'normal', key: [key, 7], stream: [0, 0] });
    const [q, k, v, d] = [0, 1, 2, 3].map(draw);
    for (const [name, { attend, parts = Number.POSITIVE_INFINITY }] of Object.entries(ways)) {
      tuning.parts = parts;
      const both = () =>
        scope(() => {
          const { pullback } = vjp(() => [attend(q, k, v)], [q, k, v]);
          for (const gradient of pullback([d])) gradient.dispose();
        });
      const { median, least } = await time(backend, both, { budget: 200 });
      const each = await timeEach(backend, both, undefined, 200);
      const kernels: Record<string, { launches: number; milliseconds: number }> = {};
      for (const { name: kernel, milliseconds } of each) {
        const sum = (kernels[kernel] ??= { launches: 0, milliseconds: 0 });
        sum.launches++;
        sum.milliseconds += milliseconds;
      }
      found.push({ batch, tokens, heads, width, way: name, median, least, launches: each.length, kernels });
      const list = Object.entries(kernels).map(
        ([kernel, sum]) => `${kernel} ${sum.launches}: ${sum.milliseconds.toFixed(2)}`,
      );
      console.log(
        `B${batch} N${tokens} ${name}: ${median.toFixed(2)} ms, ${each.length} launches (${list.join(', ')})`,
      );
    }
    for (const tensor of [q, k, v, d]) tensor.dispose();
  }
  tuning.parts = Number.POSITIVE_INFINITY;
  return found;
}
