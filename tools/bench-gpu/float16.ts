import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { affine, linear, random, type Tensor } from '@linattn/math';
import { fewRowsTuning } from '../../packages/kernels-webgpu/src/core/matmul.ts';
import type { Ceilings } from './ceilings.ts';
import { time } from './measure.ts';

/** A large layer, and the logits of Pythia's vocabulary. */
const weights = [
  { n: 16_384, k: 4096 },
  { n: 50_304, k: 512 },
];
/** One text, and a few at a time. */
const rows = [1, 8];
/** Float32 bytes of the weights that take turns, so that none is in a cache (of 50 MB on an H200) when its turn comes: as layers of a model do. */
const turnover = 2e8;

const sameBits = (x: ArrayLike<number>, y: ArrayLike<number>): boolean =>
  Array.from(x).every((value, i) => Object.is(value, y[i]));

function differenceOf(x: ArrayLike<number>, y: ArrayLike<number>): number {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < x.length; i++) {
    difference += (x[i] - y[i]) ** 2;
    norm += y[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}

const read = async (tensor: Tensor): Promise<ArrayLike<number>> => {
  const values = await tensor.read();
  tensor.dispose();
  return values;
};

/**
 * x [rows, k] times weights [n, k] as in decoding, weights in float32 and in float16: milliseconds a product, bytes of weights a second, and those
 * against what a copy reads and writes; `tiles`: by the kernel for many rows. `sameBits`: float16 read in place gives what its numbers give in float32 storage.
 */
export async function benchFloat16(backend: WebgpuBackend, { copyGBs }: Ceilings): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const { n, k } of weights) {
    if (4 * n * k > backend.device.limits.maxStorageBufferBindingSize) {
      console.log(`decode ${n}x${k}: over a binding in float32`);
      continue;
    }
    const copies = Math.ceil(turnover / (4 * n * k));
    const floats = Array.from({ length: copies }, (_, i) => {
      const drawn = random(backend, { shape: [n, k], distribution: 'normal', key: [n, k], stream: [i, 0] });
      // As large as weights are: some are subnormal in float16.
      const weight = affine(drawn, 0.02);
      drawn.dispose();
      return weight;
    });
    const halves = floats.map((weight) => backend.toFloat16(weight));
    for (const m of rows) {
      const x = random(backend, { shape: [m, k], distribution: 'normal', key: [m, k], stream: [0, 1] });
      const rate = async (list: readonly Tensor[], bytes: number) => {
        const { median } = await time(backend, () => {
          for (const weight of list) linear(x, weight).dispose();
        });
        const milliseconds = median / list.length;
        const GBs = (bytes * n * k) / milliseconds / 1e6;
        return { milliseconds, GBs, ofCopy: GBs / copyGBs };
      };
      const [float32, float16] = [await rate(floats, 4), await rate(halves, 2)];
      const { most } = fewRowsTuning;
      fewRowsTuning.most = 0;
      const tiles = { float32: await rate(floats, 4), float16: await rate(halves, 2) };
      fewRowsTuning.most = most;
      const expanded = affine(halves[0], 1);
      const [rounded, inPlace, exact] = [
        await read(linear(x, expanded)),
        await read(linear(x, halves[0])),
        await read(linear(x, floats[0])),
      ];
      for (const each of [expanded, x]) each.dispose();
      const result = {
        m,
        n,
        k,
        float32,
        float16,
        tiles,
        ratio: float32.milliseconds / float16.milliseconds,
        difference: differenceOf(inPlace, exact),
        sameBits: sameBits(inPlace, rounded),
      };
      found.push(result);
      const byTiles = `by tiles ${tiles.float32.milliseconds.toFixed(4)} and ${tiles.float16.milliseconds.toFixed(4)} ms`;
      const say = ({ milliseconds, GBs, ofCopy }: typeof float32) =>
        `${milliseconds.toFixed(4)} ms, ${GBs.toFixed(0)} GB/s (${ofCopy.toFixed(2)} of a copy)`;
      console.log(
        `decode ${m}x${n}x${k}: float32 ${say(float32)}; float16 ${say(float16)}; ${byTiles}; ${result.ratio.toFixed(2)} times as fast, difference ${result.difference.toExponential(1)}, ${result.sameBits ? 'the same bits as expanded' : 'OTHER BITS THAN EXPANDED'}`,
      );
    }
    for (const each of [...floats, ...halves]) each.dispose();
    await backend.submit();
    backend.trim();
  }
  return found;
}
