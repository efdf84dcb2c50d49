import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Mask } from '@linattn/math';
import { naive, naiveBackward, ndarray } from '@linattn/math/attention';
import { float64Backend } from '@linattn/math/float64';
import { configToHuggingFace, GPTNeoX } from '@linattn/nn';
import { savePretrained } from '@linattn/nn/node';
import { describe, expect, test } from 'vitest';
import { backends } from '../src/backends.ts';
import { tensorToJson } from '../src/verify/tensor-json.ts';
import { run, temporaryFolder } from './support/cli.ts';
import { sharedFile } from './support/shared.ts';

/** Numbers without a pattern, in (-1, 1). */
const numbers = (count: number, seed: number) =>
  Float64Array.from({ length: count }, (_, i) => Math.sin(seed + 12.9898 * i * i + i));

/** A case as another program would write it: here, the definition, pair by pair. */
function makeCase(mask: Mask, queries: number, keys: number, [a, b, c]: readonly [number, number, number]) {
  const [batch, heads, dim] = [2, 2, 3];
  const draw = (tokens: number, seed: number) =>
    ndarray([batch, tokens, heads, dim], numbers(batch * tokens * heads * dim, seed));
  const [q, k, v, dO] = [draw(queries, 1), draw(keys, 2), draw(keys, 3), draw(queries, 4)];
  const prefix = mask === 'prefix' ? 4 : 0;
  const options = { mask, a, b, c, order: 2 as const, ...(prefix ? { prefix } : {}) };
  const forward = naive(q, k, v, options);
  const { dq, dk, dv, da, db, dc } = naiveBackward(q, k, v, forward, { output: dO }, options);
  const g = new Float64Array(forward.denominator.data.length);
  forward.denominator.data.forEach((value, i) => {
    const [h, n, batchRow] = [i % heads, Math.floor(i / heads) % queries, Math.floor(i / heads / queries)];
    g[(batchRow * heads + h) * queries + n] = value;
  });
  const json = (x: { shape: readonly number[]; data: Float64Array }) => tensorToJson(x.data, x.shape);
  return {
    layout: 'BNHD',
    mode: mask === 'bidirectional' ? 'full' : mask,
    prefix,
    ...{ a, b, c },
    ...{ q: json(q), k: json(k), v: json(v), do: json(dO), o: json(forward.output) },
    g_bhn: tensorToJson(g, [batch, heads, queries]),
    ...{ dq: json(dq), dk: json(dk), dv: json(dv), da, db, dc },
  };
}

const cases = [
  makeCase('causal', 9, 9, [4, 1, 0]),
  makeCase('bidirectional', 5, 11, [4, 0.5, 0.25]),
  makeCase('prefix', 9, 9, [4, 1, 0.5]),
];

function store(content: unknown, name = 'results.json'): string {
  const path = join(temporaryFolder(), name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** What `--json` says, case by case. */
interface Report {
  readonly agrees: boolean;
  readonly lines: readonly { name: string; backend: string; tolerance: number; errors: Record<string, number> }[];
}

describe('attention', () => {
  test("the definition's results agree on every backend that works here", async () => {
    const { code, stdout, stderr } = await run('verify', store(cases), '--json');
    const report = JSON.parse(stdout) as Report;
    expect({ code, stderr, agrees: report.agrees }).toEqual({ code: 0, stderr: '', agrees: true });
    const working = [];
    for (const { name, available } of backends) if ((await available()).ok) working.push(name);
    expect(report.lines.length).toBe(cases.length * working.length);
    for (const { errors, tolerance, backend } of report.lines) {
      expect(Object.keys(errors)).toEqual(['o', 'g', 'dq', 'dk', 'dv', 'da', 'db', 'dc']);
      expect(Math.max(...Object.values(errors))).toBeLessThan(tolerance);
      expect(tolerance).toBe(backend === 'float64' ? 1e-10 : 1e-5);
    }
  });

  test.each(['o', 'g_bhn', 'dq', 'dk', 'dv', 'da', 'db', 'dc'])(
    'a wrong %s is found, and nothing else',
    async (name) => {
      const [first, ...rest] = structuredClone(cases);
      const field = first[name as keyof typeof first] as unknown;
      if (typeof field === 'number') Object.assign(first, { [name]: field + 1e-4 });
      else {
        const tensor = field as ReturnType<typeof tensorToJson>;
        const bytes = Buffer.from(tensor.f64, 'base64');
        bytes.writeDoubleLE(bytes.readDoubleLE(24) + 1e-3, 24);
        tensor.f64 = bytes.toString('base64');
      }
      const { code, stdout } = await run('verify', store([first, ...rest]), '--backend', 'float64', '--json');
      const { lines, agrees } = JSON.parse(stdout) as Report;
      expect({ code, agrees }).toEqual({ code: 1, agrees: false });
      const over = lines.flatMap(({ errors, tolerance }, i) =>
        Object.keys(errors)
          .filter((key) => errors[key] > tolerance)
          .map((key) => `${i} ${key}`),
      );
      expect(over).toEqual([`0 ${name === 'g_bhn' ? 'g' : name}`]);
    },
  );

  test('g and the scalars may be left out', async () => {
    const { g_bhn: _, da: __, db: ___, dc: ____, ...rest } = cases[0];
    const { code, stdout } = await run('verify', store([{ ...rest, name: 'mine' }]), '--backend', 'float64,gpujs-cpu');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mine +float64 +\S+ +– +\S+ +\S+ +\S+ +– +– +– +1e-10$/m);
    expect(stdout).toMatch(/^mine +gpujs-cpu /m);
    expect(stdout).toContain('everything agrees');
  });

  test.each<[string, unknown, RegExp]>([
    ['no JSON', '[{', /file: .*results\.json is not JSON/],
    ['no cases', [], /cases: expected an array of at least one case/],
    ['no array', { q: 1 }, /cases: expected an array/],
    ['no object', [3], /cases\[0\]: expected an object/],
    ['another layout', [{ ...cases[0], layout: 'BHND' }], /cases\[0\]\.layout: expected BNHD/],
    ['another mode', [{ ...cases[0], mode: 'window' }], /cases\[0\]\.mode: expected causal \| full/],
    ['a missing tensor', [cases[1], { ...cases[0], dq: undefined }], /cases\[1\]\.dq: is missing/],
    [
      'a shape that does not fit',
      [{ ...cases[0], dv: cases[1].dv }],
      /cases\[0\]\.dv: has shape \[2, 11, 2, 3\], expected \[2, 9, 2, 3\]/,
    ],
    [
      'a tensor cut short',
      [{ ...cases[0], q: { shape: [2, 9, 2, 3], f64: cases[0].q.f64.slice(0, 400) } }],
      /cases\[0\]\.q\.f64: holds 300 bytes; shape .* needs 864/,
    ],
    [
      'NaN',
      [{ ...cases[0], k: tensorToJson(numbers(108, 2).fill(Number.NaN, 5, 6), [2, 9, 2, 3]) }],
      /cases\[0\]\.k: NaN at element 5/,
    ],
    ['a coefficient that is no number', [{ ...cases[0], a: '1' }], /cases\[0\]\.a: expected a finite number/],
    [
      'a rank that does not fit',
      [{ ...cases[0], q: tensorToJson(numbers(4, 1), [2, 2]) }],
      /cases\[0\]\.q: has shape \[2, 2\], expected \[any, any, any, any\]/,
    ],
  ])('%s is refused in one line', async (_, content, message) => {
    const { code, stdout, stderr } = await run('verify', store(content));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
  });

  test("PyTorch's results agree", async ({ skip }) => {
    const file = sharedFile('fixtures/linear-attention-example.json');
    if (!file) return skip('../shared is not here');
    const { code, stdout } = await run('verify', file);
    expect(code).toBe(0);
    expect(stdout).toContain('everything agrees');
  });
});

describe('models', () => {
  const ids = [
    [3, 1, 4, 1, 5, 9],
    [2, 6, 5, 3, 5, 8],
  ];

  /** A small model, and its logits and loss, computed token by token from its own decoding. */
  async function makeModel() {
    const folder = temporaryFolder();
    const backend = float64Backend();
    const model = GPTNeoX.init(backend, {
      vocabSize: 10,
      hiddenSize: 16,
      layers: 2,
      heads: 2,
      attention: { type: 'softmax' },
    });
    await savePretrained(model, folder);
    const logits: number[] = [];
    let loss = 0;
    const { indices } = await import('@linattn/math');
    for (const row of ids) {
      const state = model.start();
      for (const [position, id] of row.entries()) {
        const next = [...(await model.decode(indices(backend, [id], [1, 1]), state).read())];
        logits.push(...next);
        if (position + 1 < row.length) {
          loss += Math.log(next.reduce((sum, x) => sum + Math.exp(x), 0)) - next[row[position + 1]];
        }
      }
    }
    const results = {
      config: configToHuggingFace(model.config),
      ids,
      logits: tensorToJson(logits, [2, 6, 10]),
      loss: loss / 10,
      grads: {},
    };
    return { results, weights: join(folder, 'model.safetensors') };
  }

  test('logits and loss agree, and a wrong loss is found', async () => {
    const { results, weights } = await makeModel();
    const right = await run('verify', '--model', weights, store(results), '--backend', 'float64');
    expect(right.stderr).toBe('');
    expect(right.code).toBe(0);
    const wrong = await run(
      'verify',
      '--model',
      weights,
      store({ ...results, loss: results.loss * 1.001 }),
      '--backend',
      'float64',
    );
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/^loss +float64 +1\.0e-3 ✗/m);
  });

  test('bad results and weights are refused in one line', async () => {
    const { results, weights } = await makeModel();
    for (const [content, file, message] of [
      [{ ...results, ids: [[1, 2], [3]] }, weights, /results\.ids: expected rows of equal length/],
      [{ ...results, ids: [[1, 10, 3]] }, weights, /results\.ids: .* ids in \[0, 10\)/],
      [
        { ...results, grads: { 'gpt_neox.nothing': tensorToJson([1], [1]) } },
        weights,
        /gpt_neox\.nothing: names no parameter/,
      ],
      [{ ...results, config: { model_type: 'llama' } }, weights, /model_type/],
      [results, join(temporaryFolder(), 'none.safetensors'), /none\.safetensors/],
      [results, store('not weights', 'bad.safetensors'), /bad\.safetensors/],
    ] as const) {
      const { code, stderr } = await run('verify', '--model', file, store(content), '--backend', 'float64');
      expect(stderr).toMatch(message);
      expect(stderr.trim().split('\n')).toHaveLength(1);
      expect(code).toBe(2);
    }
  });

  test("Hugging Face's GPT-NeoX agrees: logits, loss and gradients", async ({ skip }) => {
    const [file, weights] = ['json', 'safetensors'].map((ending) => sharedFile(`fixtures/gptneox-example.${ending}`));
    if (!file || !weights) return skip('../shared is not here');
    const { code, stdout } = await run('verify', '--model', weights, file, '--json');
    const { lines, agrees } = JSON.parse(stdout) as Report;
    expect({ code, agrees }).toEqual({ code: 0, agrees: true });
    expect(lines.filter(({ backend }) => backend === 'float64').map(({ name }) => name)).toHaveLength(5);
  });
});
