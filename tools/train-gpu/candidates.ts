import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { matmul, random, type Tensor } from '@linattn/math';
import { time } from 'bench-gpu/measure.ts';
import { productTuning, type Tile } from '../../packages/kernels-webgpu/src/core/matmul.ts';
import { softmaxTuning } from '../../packages/kernels-webgpu/src/softmax/tiles.ts';
import { benchSoftmax } from './softmax.ts';

// BM, BN, BK, TY, TX
const tiles = [
  [128, 128, 16, 16, 16],
  [128, 128, 16, 8, 16],
  [128, 64, 16, 8, 8],
  [64, 128, 16, 4, 16],
  [256, 64, 16, 16, 8],
] as const;

const cases = [
  { m: 4096, n: 4096, k: 4096, a: false, b: false },
  { m: 32_768, n: 2048, k: 128, a: false, b: true },
  { m: 32_768, n: 128, k: 2048, a: false, b: false },
  { m: 2048, n: 128, k: 32_768, a: true, b: false },
];

/** Times large tiles of the matrix product, and how many columns the softmax kernels take at a time. */
export async function tryTiles(backend: WebgpuBackend): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const [BM, BN, BK, TY, TX] of tiles) {
    const tile: Tile = { BM, BN, BK, TY, TX };
    productTuning.large = () => tile;
    const rates: string[] = [];
    for (const { m, n, k, a, b } of cases) {
      const draw = (rows: number, columns: number): Tensor =>
        random(backend, { shape: [rows, columns], distribution: 'normal', key: [m, n], stream: [k, 0] });
      const left = a ? draw(k, m) : draw(m, k);
      const right = b ? draw(n, k) : draw(k, n);
      const { median } = await time(
        backend,
        () => {
          for (let i = 0; i < 4; i++) matmul(left, right, a, b).dispose();
        },
        { budget: 40 },
      );
      for (const tensor of [left, right]) tensor.dispose();
      rates.push(`${a ? 'T' : 'N'}${b ? 'T' : 'N'} ${((8 * m * n * k) / median / 1e9).toFixed(1)}`);
      found.push({ tile, m, n, k, milliseconds: median / 4 });
    }
    console.log(`${Object.values(tile).join(' ')}: ${rates.join(', ')} TFLOP/s`);
  }
  productTuning.large = undefined;
  for (const [RJ, TY] of [
    [8, 16],
    [4, 8],
    [8, 8],
  ]) {
    softmaxTuning.change = (_, tile) => ({ ...tile, RJ, TY });
    console.log(`softmax RJ ${RJ} TY ${TY}`);
    found.push(await benchSoftmax(backend, [64, 32], [4096]));
  }
  softmaxTuning.change = undefined;
  return found;
}
