/// <reference types="node" />
import { readFileSync } from 'node:fs';
import { linearAttention, type Tensor, tensor } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { beforeAll, expect, test } from 'vitest';
import { relativeError } from './helpers.ts';

// The code of docs/interchange.md as it stands, against the recurrences that the other libraries define.

const text = readFileSync(new URL('../../../docs/interchange.md', import.meta.url), 'utf8');
const backend = float64Backend();
const [B, N, H, D, V] = [1, 6, 2, 3, 4];

interface Printed {
  readonly output: Float64Array;
  readonly state: Float64Array;
  readonly toONNX: () => Promise<{
    readonly query: number[];
    readonly key: number[];
    readonly value: number[];
    readonly attributes: { readonly update_rule: string; readonly scale: number };
    readonly divide: (row: number[]) => number[];
  }>;
  readonly fromFla: (kv: ArrayLike<number>, z: ArrayLike<number>) => number[];
}

let printed: Printed;
beforeAll(async () => {
  const [, code] = text.match(/```js\n(.*?)```/s)!;
  const entries: Readonly<Record<string, () => Promise<unknown>>> = {
    '@linattn/math': () => import('@linattn/math'),
    '@linattn/math/float64': () => import('@linattn/math/float64'),
  };
  const body = code.replaceAll(/import (\{.+?\}) from '(.+?)';/gs, "const $1 = await load('$2');");
  const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
  await new AsyncFunction('load', 'console', body)((name: string) => entries[name](), {
    log: (value: Printed) => {
      printed = value;
    },
  });
});

/** One head: S_t = S_{t-1} + k_t ⊗ v_t and o_t = scale q_tᵀ S_t, and z_t = z_{t-1} + k_t. Rows are tokens. */
function recurrence(q: number[][], k: number[][], v: number[][], scale: number) {
  const S = k[0].map(() => v[0].map(() => 0));
  const z = k[0].map(() => 0);
  const outputs = q.map((query, t) => {
    for (const [d, key] of k[t].entries()) {
      z[d] += key;
      for (const [e, value] of v[t].entries()) S[d][e] += key * value;
    }
    const o = v[t].map((_, e) => scale * query.reduce((sum, x, d) => sum + x * S[d][e], 0));
    return { o, norm: scale * query.reduce((sum, x, d) => sum + x * z[d], 0) };
  });
  return { outputs, S, z };
}

/** Tokens of head h of a [1, N, H, width] array. */
const head = (values: ArrayLike<number>, width: number, h: number): number[][] =>
  Array.from({ length: N }, (_, t) => Array.from({ length: width }, (_, d) => values[(t * H + h) * width + d]));

test("one ONNX node is all of linattn's attention, and its present_state is the state", async () => {
  const { query, key, value, attributes, divide } = await printed.toONNX();
  expect(attributes).toMatchObject({ update_rule: 'linear', scale: 1 });
  for (let h = 0; h < H; h++) {
    const { outputs, S } = recurrence(
      head(query, 1 + D, h),
      head(key, 1 + D, h),
      head(value, V + 1, h),
      attributes.scale,
    );
    const o = outputs.flatMap((row) => divide(row.o));
    expect(relativeError(o, head(printed.output, V, h).flat())).toBeLessThan(1e-12);
    const size = (1 + D) * (V + 1);
    expect(relativeError(S.flat(), printed.state.subarray(h * size, (h + 1) * size))).toBeLessThan(1e-12);
  }
});

test("flash-linear-attention's pair of states goes on in linattn", async () => {
  const numbers = (count: number, seed: number) =>
    Float64Array.from({ length: count }, (_, i) => 1.1 + Math.sin(seed + 7 * i));
  const inputs = [D, D, V].map((width, i) => numbers(2 * N * H * width, i));
  const part = (at: 0 | 1) => inputs.map((each) => each.subarray((at * each.length) / 2, ((at + 1) * each.length) / 2));
  const scale = D ** -0.5;
  const wholes = Array.from({ length: H }, (_, h) =>
    recurrence(
      ...(inputs.map((each, i) => [
        ...head(each, [D, D, V][i], h),
        ...head(each.subarray(each.length / 2), [D, D, V][i], h),
      ]) as [number[][], number[][], number[][]]),
      scale,
    ),
  );
  const halves = Array.from({ length: H }, (_, h) =>
    recurrence(
      ...(part(0).map((each, i) => head(each, [D, D, V][i], h)) as [number[][], number[][], number[][]]),
      scale,
    ),
  );
  const state = printed.fromFla(
    halves.flatMap(({ S }) => S.flat()),
    halves.flatMap(({ z }) => z),
  );
  const [q, k, v] = part(1).map((each, i) => tensor(backend, each, [B, N, H, [D, D, V][i]])) as [
    Tensor,
    Tensor,
    Tensor,
  ];
  const { output } = linearAttention(q, k, v, {
    a: 0,
    b: scale,
    initialState: tensor(backend, state, [B, H, 1 + D, V + 1]),
  });
  const given = await output.read();
  for (const [h, { outputs }] of wholes.entries()) {
    const expected = outputs.slice(N).flatMap(({ o, norm }) => o.map((x) => x / norm));
    expect(relativeError(head(given, V, h).flat(), expected)).toBeLessThan(1e-12);
  }
});
