/// <reference types="node" />
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import * as attention from '../src/attention/index.ts';
import { float64Backend } from '../src/float64/index.ts';
import { linearAttention, tensor, vjp } from '../src/index.ts';
import { composingBackend, relativeError, upload } from './attention-support.ts';

interface Stored {
  readonly shape: number[];
  readonly f64: string;
}
type Name = 'q' | 'k' | 'v' | 'do' | 'o' | 'g_bhn' | 'dq' | 'dk' | 'dv';
type Fixture = Readonly<Record<Name, Stored>> &
  Readonly<Record<'a' | 'b' | 'c' | 'da' | 'db' | 'dc' | 'prefix', number>> & {
    readonly mode: 'causal' | 'full' | 'prefix';
  };

/** Float64 results of PyTorch's autodiff, computed elsewhere. */
const file = new URL('../../../../shared/data/fixtures/linear-attention-example.json', import.meta.url);
const fixtures = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Fixture[]) : [];
if (fixtures.length === 0) console.warn(`PyTorch's results are not compared: there is no ${file.pathname}`);

const tolerance = 1e-10;

function decode({ shape, f64 }: Stored): attention.NdArray {
  const bytes = Uint8Array.from(Buffer.from(f64, 'base64'));
  return attention.ndarray(shape, new Float64Array(bytes.buffer));
}

/** [B, H, N] as [B, N, H]. */
function tokensFirst({ shape: [, heads, tokens], data }: attention.NdArray): Float64Array {
  return data.map((_, at) => {
    const [b, n, h] = [Math.floor(at / heads / tokens), Math.floor(at / heads) % tokens, at % heads];
    return data[(b * heads + h) * tokens + n];
  });
}

describe.skipIf(fixtures.length === 0)("PyTorch's results", () => {
  for (const fixture of fixtures) {
    const { mode, a, b, c, prefix } = fixture;
    it(`${mode}, f(x) = ${a} + ${b} x + ${c} x²`, () => {
      const [q, k, v, dO] = (['q', 'k', 'v', 'do'] as const).map((name) => decode(fixture[name]));
      const mask = mode === 'full' ? 'bidirectional' : mode;
      const common = { mask, prefix: mask === 'prefix' ? prefix : undefined, order: 2 } as const;
      const check = (results: Readonly<Record<string, ArrayLike<number>>>, coefficients: ArrayLike<number>) => {
        expect(relativeError(results.g, tokensFirst(decode(fixture.g_bhn))), 'g').toBeLessThanOrEqual(tolerance);
        for (const name of ['o', 'dq', 'dk', 'dv'] as const) {
          expect(relativeError(results[name], decode(fixture[name]).data), name).toBeLessThanOrEqual(tolerance);
        }
        const truth = [fixture.da, fixture.db, fixture.dc];
        expect(relativeError(coefficients, truth), 'da, db, dc').toBeLessThanOrEqual(tolerance);
      };

      for (const [forward, backward] of [
        [attention.naive, attention.naiveBackward],
        [attention.factorised, attention.factorisedBackward],
      ] as const) {
        const options = { ...common, a, b, c };
        const saved = forward(q, k, v, options);
        const { dq, dk, dv, da, db, dc } = backward(q, k, v, saved, { output: dO }, options);
        const numbers = { o: saved.output, g: saved.denominator, dq, dk, dv };
        check(Object.fromEntries(Object.entries(numbers).map(([name, { data }]) => [name, data])), [da, db, dc]);
      }

      for (const backend of [float64Backend(), composingBackend()]) {
        const tensors = [q, k, v].map((x) => upload(backend, x));
        const coefficients = tensor(backend, [a, b, c]);
        let g: ArrayLike<number> = [];
        const run = vjp(() => {
          const result = linearAttention(tensors[0], tensors[1], tensors[2], { ...common, coefficients });
          g = (result.denominator.handle as Float64Array).slice();
          return [result.output];
        }, [...tensors, coefficients]);
        const all = [...run.outputs, ...run.pullback([upload(backend, dO)])];
        const [o, dq, dk, dv, dCoefficients] = all.map((x) => x.handle as Float64Array);
        check({ o, g, dq, dk, dv }, dCoefficients);
      }
    });
  }
});
