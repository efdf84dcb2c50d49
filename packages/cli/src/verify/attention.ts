import { type Backend, FormatError, keep, linearAttention, type Mask, type Tensor, tensor, vjp } from '@linattn/math';
import { FieldReader, type HostTensor, relativeError } from './tensor-json.ts';

/** One result of linear attention, forward and backward, as another program computed it. */
export interface AttentionCase {
  readonly name: string;
  readonly mask: Mask;
  readonly prefix: number;
  readonly coefficients: readonly [number, number, number];
  readonly q: HostTensor;
  readonly k: HostTensor;
  readonly v: HostTensor;
  readonly dO: HostTensor;
  readonly expected: {
    readonly o: HostTensor;
    /** [B, H, N] */
    readonly g?: HostTensor;
    readonly dq: HostTensor;
    readonly dk: HostTensor;
    readonly dv: HostTensor;
    readonly dCoefficients: readonly (number | undefined)[];
  };
}

export const attentionQuantities = ['o', 'g', 'dq', 'dk', 'dv', 'da', 'db', 'dc'] as const;

/** Errors by quantity; undefined where the file says nothing of it. */
export type Errors = Readonly<Record<string, number | undefined>>;

const modes = { causal: 'causal', full: 'bidirectional', bidirectional: 'bidirectional', prefix: 'prefix' } as const;

/** @throws FormatError naming the field. */
export function parseAttentionCases(json: unknown): AttentionCase[] {
  if (!Array.isArray(json) || json.length === 0) {
    throw new FormatError('cases', "expected an array of at least one case (a model's results need --model)", {
      given: typeof json,
    });
  }
  return json.map((entry, i) => parseCase(new FieldReader(entry, `cases[${i}]`), i));
}

function parseCase(field: FieldReader, index: number): AttentionCase {
  field.oneOf('layout', ['BNHD']);
  const mode = field.oneOf('mode', ['causal', 'full', 'bidirectional', 'prefix']);
  const q = field.tensor('q', [-1, -1, -1, -1]);
  const [batch, queries, heads, headDim] = q.shape;
  const k = field.tensor('k', [batch, mode === 'full' || mode === 'bidirectional' ? -1 : queries, heads, headDim]);
  const v = field.tensor('v', [batch, k.shape[1], heads, -1]);
  const output = [batch, queries, heads, v.shape[3]];
  return {
    name: field.has('name') ? String(field.raw('name')) : `${index + 1}: ${mode}, N ${queries}, D ${headDim}`,
    mask: modes[mode],
    prefix: mode === 'prefix' ? field.number('prefix') : 0,
    coefficients: [field.number('a'), field.number('b'), field.number('c')],
    q,
    k,
    v,
    dO: field.tensor('do', output),
    expected: {
      o: field.tensor('o', output),
      g: field.tensorIf('g_bhn', [batch, heads, queries]),
      dq: field.tensor('dq', q.shape),
      dk: field.tensor('dk', k.shape),
      dv: field.tensor('dv', v.shape),
      dCoefficients: ['da', 'db', 'dc'].map((name) => (field.has(name) ? field.number(name) : undefined)),
    },
  };
}

/**
 * Runs a case on a backend. Where c = 0 it runs twice, without and with the second-order sums: the first is what c = 0 usually
 * takes, the second is what knows dc; the larger error counts.
 */
export async function checkAttentionCase(backend: Backend, one: AttentionCase): Promise<Errors> {
  const second = one.coefficients[2] !== 0 || one.expected.dCoefficients[2] !== undefined;
  const runs = [
    ...(one.coefficients[2] === 0 ? [await runCase(backend, one, 1)] : []),
    ...(second ? [await runCase(backend, one, 2)] : []),
  ];
  return Object.fromEntries(
    attentionQuantities.map((name) => {
      const errors = runs.map((errors) => errors[name]).filter((error) => error !== undefined);
      return [name, errors.length > 0 ? Math.max(...errors) : undefined];
    }),
  );
}

async function runCase(backend: Backend, one: AttentionCase, order: 1 | 2): Promise<Errors> {
  const upload = ({ values, shape }: HostTensor, name: string) => tensor(backend, values, shape, { name });
  const [q, k, v] = [upload(one.q, 'q'), upload(one.k, 'k'), upload(one.v, 'v')];
  const coefficients = tensor(backend, one.coefficients, [3]);
  const seed = upload(one.dO, 'do');
  const wrt = [q, k, v, coefficients];
  const made: Tensor[] = [...wrt, seed];
  try {
    const options = { mask: one.mask, ...(one.mask === 'prefix' ? { prefix: one.prefix } : {}), coefficients, order };
    let denominator: Tensor | undefined;
    const { outputs, pullback } = vjp(() => {
      const result = linearAttention(q, k, v, options);
      denominator = keep(result.denominator);
      return [result.output];
    }, wrt);
    made.push(...outputs, denominator!);
    const gradients = pullback([seed]);
    made.push(...gradients);
    const [o, g, dq, dk, dv, dCoefficients] = await readAll([...outputs, denominator!, ...gradients]);
    const { expected } = one;
    const norm = Math.hypot(...expected.dCoefficients.map((value) => value ?? 0));
    const scalar = (i: number) => {
      const value = expected.dCoefficients[i];
      // Without the second-order sums c is no part of the computation, and has no gradient.
      if (value === undefined || (i === 2 && order === 1)) return undefined;
      return relativeError([dCoefficients[i]], [value], norm);
    };
    return {
      o: relativeError(o, expected.o.values),
      g: expected.g && relativeError(headsBeforeTokens(expected.g, g), expected.g.values),
      dq: relativeError(dq, expected.dq.values),
      dk: relativeError(dk, expected.dk.values),
      dv: relativeError(dv, expected.dv.values),
      da: scalar(0),
      db: scalar(1),
      dc: scalar(2),
    };
  } finally {
    for (const one of made) one.dispose();
  }
}

async function readAll(tensors: readonly Tensor[]): Promise<ArrayLike<number>[]> {
  const values: ArrayLike<number>[] = [];
  for (const tensor of tensors) values.push(await tensor.read());
  return values;
}

/** g as the library gives it, [B, N, H], in the file's order [B, H, N]. */
function headsBeforeTokens({ shape: [batch, heads, tokens] }: HostTensor, g: ArrayLike<number>): Float64Array {
  const turned = new Float64Array(g.length);
  for (let b = 0; b < batch; b++)
    for (let n = 0; n < tokens; n++)
      for (let h = 0; h < heads; h++) turned[(b * heads + h) * tokens + n] = g[(b * tokens + n) * heads + h];
  return turned;
}
