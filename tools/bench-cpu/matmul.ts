import { createGpujsBackend } from '@linattn/kernels-gpujs';
import { type Backend, matmul, scope, tensor } from '@linattn/math';
import { type Context, settings, subjectName } from './context.ts';
import type { Ceiling } from './machine.ts';
import { interleave, median, numbers, type Subject } from './measure.ts';
import * as jax from './peers/jax.ts';
import * as plain from './peers/plain.ts';
import * as tfjs from './peers/tfjs.ts';
import type { Result } from './results.ts';

interface Shape {
  readonly batch?: number;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly form: 'NN' | 'NT' | 'TN';
}

/** Squares, and the products of a 6-layer, 128-wide model on 4,096 tokens: forward, and both of backward. */
const shapes: readonly Shape[] = [
  { m: 256, n: 256, k: 256, form: 'NN' },
  { m: 512, n: 512, k: 512, form: 'NN' },
  { m: 1024, n: 1024, k: 1024, form: 'NN' },
  { m: 4096, n: 512, k: 128, form: 'NN' },
  { m: 4096, n: 512, k: 128, form: 'NT' },
  { m: 4096, n: 128, k: 512, form: 'NT' },
  { m: 128, n: 512, k: 4096, form: 'TN' },
  { batch: 1024, m: 64, n: 64, k: 64, form: 'NN' },
];
const quickShapes = [1, 3, 6, 7].map((i) => shapes[i]);

const ceilingName = 'ceiling';

export async function measureMatmul(context: Context): Promise<Result[]> {
  const results: Result[] = [];
  const gpujs = context.peers.has('gpujs') ? await createGpujsBackend({ mode: 'webasm' }) : undefined;
  for (const shape of context.quick ? quickShapes : shapes) results.push(await measureShape(context, shape, gpujs));
  await gpujs?.dispose();
  return results;
}

async function measureShape(context: Context, shape: Shape, gpujs: Backend | undefined): Promise<Result> {
  const { batch = 1, m, n, k, form } = shape;
  const [ta, tb] = [form === 'TN', form === 'NT'];
  const lead = batch > 1 ? [batch] : [];
  const [aShape, bShape] = [
    [...lead, ...(ta ? [k, m] : [m, k])],
    [...lead, ...(tb ? [n, k] : [k, n])],
  ];
  const [aData, bData] = [numbers(batch * m * k, 1), numbers(batch * k * n, 2)];
  const cleanups: (() => void)[] = [];
  const onBackend = (backend: Backend, name: string): Subject => {
    const a = tensor(backend, aData, aShape);
    const b = tensor(backend, bData, bShape);
    cleanups.push(
      () => a.dispose(),
      () => b.dispose(),
    );
    return { name, run: () => scope(() => void matmul(a, b, ta, tb)) };
  };
  const subjects: Subject[] = context.backends.map((backend) => onBackend(backend, subjectName(backend)));
  if (context.peers.has('jax')) {
    const [a, b] = [jax.upload(aData, aShape), jax.upload(bData, bShape)];
    const product = jax.matmul(ta, tb);
    cleanups.push(
      () => a.dispose(),
      () => b.dispose(),
    );
    subjects.push({ name: 'jax-js', run: () => jax.settle(product(a.ref, b.ref) as jax.JaxArray) });
  }
  if (context.peers.has('tfjs') && context.threads === 1) {
    const [a, b] = [tfjs.upload(aData, aShape), tfjs.upload(bData, bShape)];
    cleanups.push(
      () => a.dispose(),
      () => b.dispose(),
    );
    subjects.push({ name: 'tfjs-wasm', run: () => tfjs.matmul(a, b, ta, tb) });
  }
  if (gpujs && context.threads === 1 && batch === 1) subjects.push(onBackend(gpujs, 'gpu.js webasm'));
  if (context.peers.has('plain') && context.threads === 1 && batch === 1) {
    const c = new Float32Array(m * n);
    subjects.push({ name: 'plain JavaScript', run: () => plain.matmul(aData, bData, c, [m, n, k], ta, tb) });
  }
  // Measured in turns with the others: a neighbour on the same core comes and goes, and halves everybody's speed.
  const ceilings: Ceiling[] = [];
  const { ceiling } = context;
  if (ceiling) subjects.push({ name: ceilingName, run: () => void ceilings.push(ceiling()) });
  const timings = (await interleave(subjects, settings(context))).filter(({ subject }) => subject !== ceilingName);
  for (const cleanup of cleanups) cleanup();
  const beside = {
    ...(ceilings.length > 0 && {
      'ceiling, fused': median(ceilings.map(({ fused }) => fused)),
      'ceiling, mul + add': median(ceilings.map(({ apart }) => apart)),
    }),
    ...(context.blas && batch === 1 ? { OpenBLAS: context.blas(m, n, k, ta, tb, context.threads) } : {}),
  };
  const work = `matmul ${batch > 1 ? `${batch} x ` : ''}${m}x${n}x${k} ${form}`;
  return { group: 'matmul', work, threads: context.threads, timings, flop: 2 * batch * m * n * k, beside };
}
