import { type Array as JaxArray, jit, nn, numpy as np, tree } from '@jax-js/jax';
import { type Attended, type Attention, valueAndGradThrough } from '@linattn/jax';

export const sizes = { symbols: 6, tokens: 12, width: 16, heads: 2 } as const;
const { symbols, tokens, width, heads } = sizes;

export type Layer = { qkv: JaxArray; out: JaxArray; logC: JaxArray };
export type Params = { embedding: JaxArray; layers: Layer[]; head: JaxArray };
/** What goes past attention: the residual stream, and the answers on their way to the loss. */
type Carry = { x: JaxArray; ys: JaxArray };

/** A small generator: the same numbers in every run. */
function generator(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

export function initialParams(layers: number): Params {
  const uniform = generator(1);
  const matrix = (rows: number, columns: number, scale: number) =>
    np.array(
      Float32Array.from({ length: rows * columns }, () => scale * (2 * uniform() - 1)),
      { shape: [rows, columns] },
    );
  return {
    embedding: matrix(symbols + 1, width, 0.6),
    layers: Array.from({ length: layers }, () => ({
      qkv: matrix(width, 3 * width, 0.4),
      out: matrix(width, width, 0.4),
      logC: np.zeros([1]),
    })),
    head: matrix(width, symbols, 0.4),
  };
}

/**
 * Sequences of symbols, one of them marked: at every position the answer is the marked symbol, which no function of one token can
 * tell. Symbols as one-hot with the mark as one more feature; answers as one-hot.
 */
export function sequences(count: number, seed: number): [xs: JaxArray, ys: JaxArray] {
  const uniform = generator(seed);
  const below = (n: number) => Math.floor(uniform() * n);
  const xs = new Float32Array(count * tokens * (symbols + 1));
  const ys = new Float32Array(count * tokens * symbols);
  for (let i = 0; i < count; i++) {
    const drawn = Array.from({ length: tokens }, () => below(symbols));
    const marked = below(tokens);
    for (const [n, symbol] of drawn.entries()) {
      const at = i * tokens + n;
      xs[at * (symbols + 1) + symbol] = 1;
      xs[at * (symbols + 1) + symbols] = Number(n === marked);
      ys[at * symbols + drawn[marked]] = 1;
    }
  }
  return [np.array(xs, { shape: [count, tokens, symbols + 1] }), np.array(ys, { shape: [count, tokens, symbols] })];
}

/** What a layer asks of attention: f(x) = 1 + x + c x² with a learned c > 0, so that denominators stay positive. */
function ask({ qkv, logC }: Layer, { x, ys }: Carry): Attention<Carry> {
  const rows = np.split(np.matmul(x.ref, qkv), 3, -1);
  const [q, k, v] = rows.map((each) => each.reshape([-1, tokens, heads, width / heads]));
  const coefficients = np.concatenate([np.ones([2]), np.exp(logC)]);
  return { q, k, v, coefficients, carry: { x, ys } };
}

/** The residual stream after the layer. */
const add = ({ out }: Layer, { output, carry: { x, ys } }: Attended<Carry>): Carry => ({
  x: x.add(nn.relu(np.matmul(output.reshape([-1, tokens, width]), out))),
  ys,
});

/** Loss, in nats a token, and gradients of a model with that many layers of linear attention. */
export function lossAndGradients(layers: number) {
  const first = ({ embedding, layers }: Params, xs: JaxArray, ys: JaxArray) =>
    ask(layers[0], { x: nn.relu(np.matmul(xs, embedding)), ys });
  const middle = Array.from({ length: layers - 1 }, (_, i) => ({ layers }: Params, attended: Attended<Carry>) => {
    return ask(layers[i + 1], add(layers[i], attended));
  });
  const last = ({ layers, head }: Params, attended: Attended<Carry>) => {
    const { x, ys } = add(layers.at(-1)!, attended);
    return nn.logSoftmax(np.matmul(x, head), -1).mul(ys).sum(-1).mean().mul(-1);
  };
  return valueAndGradThrough<Params, [JaxArray, JaxArray]>([first, ...middle, last], {
    mask: 'bidirectional',
    normalize: 'l2',
    order: 2,
  });
}

/** Trains with Adam (without its correction of early steps) and tells the loss of each step. */
export function train(steps: number, layers = 1, rate = 0.02): number[] {
  const step = lossAndGradients(layers);
  const adam = jit((p: JaxArray[], g: JaxArray[], m: JaxArray[], v: JaxArray[]) => {
    const next = p.map((_, i) => {
      const m1 = m[i].mul(0.9).add(g[i].ref.mul(0.1));
      const v1 = v[i].mul(0.99).add(np.square(g[i]).mul(0.01));
      return [p[i].sub(m1.ref.div(np.sqrt(v1.ref).add(1e-8)).mul(rate)), m1, v1];
    });
    return [0, 1, 2].map((part) => next.map((each) => each[part]));
  });
  let [params, structure] = tree.flatten<JaxArray>(initialParams(layers));
  let [m, v] = [1, 2].map(() => params.map(({ shape }) => np.zeros(shape)));
  const [xs, ys] = sequences(64, 3);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const inputs = tree.unflatten(structure, tree.ref(params)) as Params;
    const [loss, gradients] = step(inputs, xs.ref, ys.ref);
    losses.push(loss.item());
    [params, m, v] = adam(params, tree.leaves<JaxArray>(gradients), m, v);
  }
  tree.dispose([xs, ys, ...params, ...m, ...v]);
  for (const compiled of [step, adam]) compiled.dispose();
  return losses;
}
