import { describe, expect, it } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import { linearAttention, slice, type Tensor, vjp } from '../src/index.ts';
import { type Case, inputsOf, relativeError, upload } from './attention-support.ts';

const tokens = 64;
const tolerance = 1e-12;

/** Tokens start..end of an array [B, N, ...]. */
function run(x: attention.NdArray, start: number, end: number): attention.NdArray {
  const [batch, length, ...rest] = x.shape;
  const width = x.data.length / (batch * length);
  const values = Array.from({ length: batch }, (_, b) => [
    ...x.data.subarray((b * length + start) * width, (b * length + end) * width),
  ]);
  return attention.ndarray([batch, end - start, ...rest], values.flat());
}

const cases: readonly Case[] = [
  { mask: 'causal', queries: tokens, headDim: 5, batch: 2, state: true },
  { mask: 'causal', queries: tokens, headDim: 4, valueDim: 3, c: 0.5, normalize: 'l2' },
  { mask: 'prefix', prefix: 24, queries: tokens, headDim: 5, normalize: 'l2', batch: 2 },
  { mask: 'prefix', prefix: 24, queries: tokens, headDim: 3, c: 0.5, state: true },
];

const title = (test: Case) => `${test.mask}, c = ${test.c ?? 0}, ${test.normalize ?? 'raw'}`;

/** A state to update in place, which leaves the case's own initial state as it is. */
function startOf({ q, v, options, order }: ReturnType<typeof inputsOf>): attention.NdArray {
  const [batch, , heads, headDim] = q.shape;
  const { initialState } = options;
  return initialState
    ? attention.ndarray(initialState.shape, initialState.data)
    : attention.emptyState({ batch, heads, headDim, valueDim: v.shape[3], order });
}

/** Each array's tokens from `start` on, put together from runs. */
function joined(parts: readonly attention.NdArray[]): number[] {
  const [batch] = parts[0].shape;
  return Array.from({ length: batch }, (_, b) =>
    parts.flatMap(({ data }) => [...data.subarray((b * data.length) / batch, ((b + 1) * data.length) / batch)]),
  ).flat();
}

describe('streaming is the full pass, at every split point of 64 tokens', () => {
  for (const test of cases) {
    const inputs = inputsOf(test, 21);
    const { q, k, v, options } = inputs;
    const { mask, prefix = 0, initialState, ...stepOptions } = options;
    const whole = attention.factorised(q, k, v, options);

    it(`arrays: ${title(test)}`, () => {
      for (let split = 1; split < tokens; split++) {
        const state = startOf(inputs);
        const outputs: attention.NdArray[] = [];
        const step = (start: number, end: number) => {
          if (start === end) return;
          const [sq, sk, sv] = [q, k, v].map((x) => run(x, start, end));
          outputs.push(attention.step(state, sq, sk, sv, stepOptions).output);
        };
        if (mask === 'prefix') {
          // The prefix is taken in by two runs of keys, cut at the split when that lies inside, before its queries look.
          const cut = Math.min(split, prefix);
          for (const [start, end] of cut < prefix
            ? [
                [0, cut],
                [cut, prefix],
              ]
            : [[0, prefix]]) {
            attention.absorb(state, run(k, start, end), run(v, start, end), stepOptions);
          }
          outputs.push(attention.look(state, run(q, 0, prefix), stepOptions).output);
        }
        const first = Math.max(split, prefix);
        step(prefix, first);
        step(first, tokens);
        expect(relativeError(joined(outputs), whole.output.data), `output, split ${split}`).toBeLessThanOrEqual(
          tolerance,
        );
        expect(relativeError(state.data, whole.state.data), `state, split ${split}`).toBeLessThanOrEqual(tolerance);
      }
    });

    it(`token by token: ${title(test)}`, () => {
      const state = startOf(inputs);
      const first = mask === 'prefix' ? prefix : 0;
      if (first > 0) attention.absorb(state, run(k, 0, first), run(v, 0, first), stepOptions);
      for (let t = first; t < tokens; t++) {
        const [sq, sk, sv] = [q, k, v].map((x) => run(x, t, t + 1));
        const { output, denominator } = attention.step(state, sq, sk, sv, stepOptions);
        expect(relativeError(output.data, run(whole.output, t, t + 1).data)).toBeLessThanOrEqual(tolerance);
        expect(relativeError(denominator.data, run(whole.denominator, t, t + 1).data)).toBeLessThanOrEqual(tolerance);
      }
      expect(relativeError(state.data, whole.state.data)).toBeLessThanOrEqual(tolerance);
    });

    it(`the operation, forward and backward: ${title(test)}`, () => {
      const backend = float64Backend();
      const [tq, tk, tv, dO, dS] = [q, k, v, inputs.gradients.output, inputs.gradients.state].map((x) =>
        upload(backend, x),
      );
      const s0 = upload(backend, startOf(inputs));
      const { a, b, c, order, normalize } = options;
      const common = { a, b, c, order, normalize, returnState: true } as const;
      const numbers = (x: Tensor) => x.handle as Float64Array;
      const gradientsOf = (f: () => Tensor[], seeds: Tensor[]) => {
        const { outputs, pullback } = vjp(f, [tq, tk, tv, s0]);
        return [...outputs, ...pullback(seeds)].map(numbers);
      };
      const truth = gradientsOf(() => {
        const { output, state } = linearAttention(tq, tk, tv, { ...common, mask, prefix, initialState: s0 });
        return [output, state!];
      }, [dO, dS]);
      for (let split = mask === 'prefix' ? prefix : 1; split < tokens; split++) {
        const part = (x: Tensor, start: number, end: number) => slice(x, 1, start, end);
        const given = gradientsOf(() => {
          const [first, second] = [
            [0, split],
            [split, tokens],
          ].map(([start, end]) => [tq, tk, tv].map((x) => part(x, start, end)));
          const head = linearAttention(first[0], first[1], first[2], { ...common, mask, prefix, initialState: s0 });
          const tail = linearAttention(second[0], second[1], second[2], { ...common, initialState: head.state });
          return [head.output, tail.output, tail.state!];
        }, [part(dO, 0, split), part(dO, split, tokens), dS]);
        const [head, tail, ...rest] = given;
        const outputs = [
          attention.ndarray([q.shape[0], split, head.length / split / q.shape[0]], head),
          attention.ndarray([q.shape[0], tokens - split, head.length / split / q.shape[0]], tail),
        ];
        [Float64Array.from(joined(outputs)), ...rest].forEach((values, i) => {
          const name = ['output', 'state', 'dq', 'dk', 'dv', 'dS0'][i];
          expect(relativeError(values, truth[i]), `${name}, split ${split}`).toBeLessThanOrEqual(tolerance);
        });
      }
    });
  }

  it('the state counts the tokens in the last entry of u', () => {
    const inputs = inputsOf({ mask: 'causal', queries: 9, headDim: 2 });
    const state = startOf(inputs);
    attention.step(state, inputs.q, inputs.k, inputs.v);
    expect(state.data[2]).toBe(9);
  });
});
