import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { random, scope, type Tensor, vjp } from '@linattn/math';
import { softmaxAttention } from '@linattn/math/network';
import { time, timeEach } from 'bench-gpu/measure.ts';

/** Milliseconds and TFLOP/s of causal softmax attention, B = 4, H = 16: 2 N² D products forward, 5 N² D backward, a head. */
export async function benchSoftmax(
  backend: WebgpuBackend,
  widths: readonly number[],
  lengths: readonly number[],
): Promise<unknown[]> {
  const [batch, heads] = [4, 16];
  const found: unknown[] = [];
  for (const width of widths) {
    for (const tokens of lengths) {
      const shape = [batch, tokens, heads, width];
      const draw = (stream: number): Tensor =>
        random(backend, { shape, distribution: 'normal', key: [tokens, width], stream: [stream, 0] });
      const inputs = [draw(0), draw(1), draw(2)] as const;
      const dO = draw(3);
      await backend.submit();
      const attend = () => softmaxAttention(...inputs);
      // Short work alone would leave the card idle between, at a low clock.
      const repeats = Math.max(1, Math.round(16_384 / tokens));
      const forward = await time(backend, () => scope(() => repeat(repeats, () => attend().dispose())), {
        budget: 150,
      });
      let pull: (() => Tensor[]) | undefined;
      const prepare = () => {
        const tapes = Array.from({ length: repeats }, () => vjp(() => [attend()], inputs));
        pull = () => tapes.flatMap(({ outputs, pullback }) => [...outputs, ...pullback([dO])]);
      };
      const backward = () => {
        for (const tensor of pull!()) tensor.dispose();
      };
      const back = await time(backend, backward, { prepare, budget: 150 });
      const kernels = (await timeEach(backend, backward, prepare)).slice(0, 4);
      for (const tensor of [...inputs, dO]) tensor.dispose();
      backend.trim();
      const product = 2 * batch * heads * width * (tokens ** 2 / 2);
      const [ahead, behind] = [forward.median / repeats, back.median / repeats];
      const rates = [(2 * product) / ahead / 1e9, (5 * product) / behind / 1e9];
      found.push({ batch, heads, tokens, width, forward: ahead, backward: behind, TFLOPs: rates, kernels });
      console.log(
        `softmax D=${width} N=${tokens}: forward ${ahead.toFixed(3)} ms, ${rates[0].toFixed(1)} TFLOP/s; ` +
          `backward ${behind.toFixed(3)} ms, ${rates[1].toFixed(1)} TFLOP/s (` +
          `${kernels.map(({ name, milliseconds }) => `${name} ${milliseconds.toFixed(3)}`).join(', ')})`,
      );
    }
  }
  return found;
}

function repeat(times: number, body: () => void): void {
  for (let i = 0; i < times; i++) body();
}
