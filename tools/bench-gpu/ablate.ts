import type { WebgpuBackend } from '@linattn/kernels-webgpu';
import { l2Normalize, linearAttention, random, scope } from '@linattn/math';
import { tuning } from '../../packages/kernels-webgpu/src/attention/run.ts';
import type { ChunkTile } from '../../packages/kernels-webgpu/src/attention/tiles.ts';
import { time, timeEach } from './measure.ts';

type Change = (source: string) => string;

const replace =
  (...pairs: readonly (readonly [string, string])[]): Change =>
  (source) =>
    pairs.reduce((text, [from, to]) => {
      if (!text.includes(from)) throw new Error(`nothing to change: ${from}`);
      return text.replace(from, to);
    }, source);

const update: [string, string] = ['for (var n = 0u; n < C; n++) {', 'for (var n = 0u; n < C + p.zero; n++) {'];

const pieces: Readonly<Record<string, readonly (readonly [string, string])[]>> = {
  main: [
    ['q < DP4; q++', 'q < p.zero; q++'],
    ['q < DP4; q++', 'q < p.zero; q++'],
  ],
  update: [['for (var n = 0u; n < C; n++) {', 'for (var n = 0u; n < p.zero; n++) {']],
  block: [['k < TX * n + TX; k++', 'k < TX * n + p.zero; k++']],
  fetch: [['if (fetchAt < last) {', 'if (fetchAt < p.zero) {']],
  write: [['if (i < rows) {\n          let row', 'if (i < p.zero) {\n          let row']],
  state: [
    ['if (ty < DP4) {', 'if (ty < p.zero) {'],
    ['if (ty < DP4) {', 'if (ty < p.zero) {'],
  ],
};
const without = (...names: readonly (keyof typeof pieces)[]): Change =>
  replace(...names.flatMap((name) => pieces[name]));
const noG: Change = (source) => source.replaceAll(/\bEXTRA\b/g, '0u');
const work = ['main', 'update', 'block'] as const;

/** Parts of the chunk kernel left out, or kept from being unrolled: their times are differences to the whole. Results are wrong. */
const changes: Readonly<Record<string, Change>> = {
  whole: (source) => source,
  rolledUpdate: replace(update),
  noFetch: without('fetch'),
  noWrite: without('write'),
  noG,
  nothing: without(...work),
  'nothing, G': (source) => noG(without(...work)(source)),
  'nothing, fetch': without(...work, 'fetch'),
  'nothing, write': without(...work, 'write'),
  'nothing, state': without(...work, 'state'),
};

const settings: readonly { width: number; tile: ChunkTile }[] = [
  { width: 64, tile: { D4: 16, DP4: 16, TV4: 16, C: 32, TY: 8, TX: 16 } },
];

export async function ablate(backend: WebgpuBackend): Promise<unknown[]> {
  const found: unknown[] = [];
  tuning.workgroups = 512;
  for (const { width, tile } of settings) {
    tuning.tile = () => tile;
    const shape = [4, 16_384, 16, width];
    const draw = (key: number) => random(backend, { shape, distribution: 'normal', key: [key, 1], stream: [0, 0] });
    const [q, k, v] = [scope(() => l2Normalize(draw(1), 0.97)), scope(() => l2Normalize(draw(2), 0.97)), draw(3)];
    for (const [name, change] of Object.entries(changes)) {
      tuning.edit = { name, change };
      const forward = () => scope(() => void linearAttention(q, k, v));
      const { median } = await time(backend, forward, { budget: 150 });
      const kernels = await timeEach(backend, forward);
      const chunk = kernels.find((kernel) => kernel.name.startsWith('chunk'))?.milliseconds ?? 0;
      console.log(`D${width} ${Object.values(tile).join('.')} ${name}: ${median.toFixed(3)} chunk ${chunk.toFixed(3)}`);
      found.push({ width, tile, name, median, chunk });
    }
    tuning.edit = undefined;
    for (const workgroups of [264, 528, 1056]) {
      tuning.workgroups = workgroups;
      const { median } = await time(backend, () => scope(() => void linearAttention(q, k, v)), { budget: 150 });
      console.log(`D${width} ${Object.values(tile).join('.')} workgroups ${workgroups}: ${median.toFixed(3)}`);
    }
    tuning.workgroups = 512;
    for (const tensor of [q, k, v]) tensor.dispose();
  }
  tuning.edit = undefined;
  tuning.tile = undefined;
  return found;
}
