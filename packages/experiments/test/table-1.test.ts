import { createWasmBackend } from '@linattn/kernels-wasm';
import { PNG } from 'pngjs';
import { expect, test } from 'vitest';
import type { TaskContext } from '../src/frame/experiment.ts';
import { Section } from '../src/frame/section.ts';
import { type Cell, columns, type NotRun } from '../src/table-1/columns.ts';
import { table1 } from '../src/table-1/index.ts';
import { cellKey } from '../src/table-1/settings.ts';
import { variants } from '../src/table-1/variants.ts';
import { silentHost, temporaryFolder } from './support.ts';

const reviews = Array.from({ length: 12 }, (_, i) => `${i % 2}\t5\ttt${i % 3}\treview ${i} of film ${i % 3}`).join(
  '\n',
);

/** As many images as every batch has here. */
const imagesEach = 3;

function file(name: string): Uint8Array {
  if (name.endsWith('.tsv')) return Buffer.from(reviews);
  if (name.endsWith('.json')) {
    const count = name.startsWith('train') ? 5 * imagesEach : imagesEach;
    return Buffer.from(JSON.stringify(Array.from({ length: count }, (_, i) => i % 10)));
  }
  return PNG.sync.write(new PNG({ width: 1024, height: imagesEach, fill: true }));
}

const contextWith = (readData: TaskContext['readData']): TaskContext => ({
  ...silentHost(),
  readData,
  folder: temporaryFolder(),
  report: () => {},
  measured: () => undefined,
});

test.for(columns.map((column) => [column.name, column] as const))(
  '%s can be trained and scored',
  async ([name, column]) => {
    const backend = await createWasmBackend({ threads: 1 });
    const options = {
      variant: variants[0],
      training: { examples: 4, steps: 1, batchSize: 2, seqLen: name === 'TinyStories' ? 32 : 1024, learningRate: 1e-3 },
      seed: 1,
      settings: { ...table1.scales.smoke, held: { examples: 4, tokens: 64 } },
    };
    const cell = (await column.measure(
      backend,
      options,
      contextWith(async (path) => file(path)),
    )) as Cell;
    expect(cell.score).toBeGreaterThanOrEqual(0);
    if (column.unit === 'accuracy') expect(cell.score * 4).toBe(Math.round(cell.score * 4));
    expect(cell.trivial).toBeGreaterThan(0);
    const without = await column.measure(
      backend,
      options,
      contextWith(async () => undefined),
    );
    expect('missing' in without).toBe(['Text', 'Same film', 'Image'].includes(name));
    await backend.dispose();
  },
);

test('what was not run says so, and is tried again', async () => {
  const training = { steps: 1, batchSize: 2, seqLen: 32, learningRate: 1e-3 };
  const settings = { ...table1.scales.smoke, columns: { 'ListOps-short': training, Text: training } };
  const scores = [0.5, 0.7];
  const values = new Map<string, Cell | NotRun>(
    variants.flatMap((variant) =>
      scores.flatMap((score, i): [string, Cell | NotRun][] => [
        [cellKey('ListOps-short', variant, 1 + i), { score, trivial: 0.2, seconds: 1, note: 'generated' }],
        [cellKey('Text', variant, 1 + i), { missing: 'no files' }],
      ]),
    ),
  );
  const section = new Section();
  await table1.write(section, settings, values);
  const row = section.markdown.split('\n').find((line) => line.startsWith('| linear, `keys`'))!;
  // Mean and standard deviation of 50 and 70.
  expect(row.split('|').map((cell) => cell.trim())).toEqual([
    ...['', 'linear, `keys`', '60.0 ± 14.1', 'not run', 'not run', 'not run', 'not run', 'not run', ''],
  ]);
  expect(section.markdown).toContain('*Text*: not run, no files.');
  expect(section.markdown).toMatch(/published: softmax \| – \| 65.02 \| 37.10 \| 79.35 \| 38.20 \| 74.16/);
  expect(table1.tasks(settings).map((task) => task.again?.(values.get(task.key)!))).toContain(true);
});
