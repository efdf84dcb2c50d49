import { type Array as JaxArray, type JsTree, jit, numpy, tree, valueAndGrad, vjp } from '@jax-js/jax';
import { ValueError } from '@linattn/math';
import { type AttentionPullback, type LinearAttentionOptions, linearAttentionVjp } from './linear-attention.ts';

/** What a stage hands to attention. */
export interface Attention<Carry = unknown> {
  q: JaxArray;
  k: JaxArray;
  v: JaxArray;
  /** [a, b, c], where they are learned. */
  coefficients?: JaxArray;
  /** What the next stage needs besides attention's output: a tree of float arrays, such as the residual stream. */
  carry: Carry;
}

/** What the next stage is given. */
export interface Attended<Carry = unknown> {
  /** o [B, N, H, D_v] */
  output: JaxArray;
  carry: Carry;
}

/**
 * Pure functions of jax-js with attention between them: the first, any number in the middle, and the last, which gives the loss.
 * All are given all parameters, and may use the same ones.
 */
export type Stages<Params, Inputs extends unknown[]> = readonly [
  first: (params: Params, ...inputs: Inputs) => Attention,
  ...middle: ((params: Params, attended: Attended<never>) => Attention)[],
  last: (params: Params, attended: Attended<never>) => JaxArray,
];

/** As `valueAndGrad` returns it; `dispose` frees what was compiled. */
export type ValueAndGrad<Params, Inputs extends unknown[]> = ((
  params: Params,
  ...inputs: Inputs
) => [loss: JaxArray, gradients: Params]) & {
  /** Frees what was compiled. */
  dispose(): void;
};

/** Options that do not change from call to call. */
type Constant = Omit<LinearAttentionOptions, 'coefficients' | 'initialState' | 'keyWeights'>;
type Tree = JsTree<JaxArray>;
type Stage = (params: Tree, ...inputs: Tree[]) => { [name: string]: Tree };
type Pull = AttentionPullback<JaxArray>;

/**
 * `valueAndGrad` of a model with linear attention between its stages, with respect to the parameters. Stages are compiled with `jit`
 * and differentiated by jax-js; attention runs between them, with its own gradient. Backward computes each stage once more,
 * compiled, so that nothing but the inputs of stages, q, k, v, o and g is held in between.
 * @param options of every attention; or one for each.
 * @returns a function that consumes its arguments, as functions of jax-js do.
 * @throws ValueError unless there are two stages at least, and as many options as attentions.
 */
export function valueAndGradThrough<Params, Inputs extends unknown[]>(
  stages: Stages<Params, Inputs>,
  options: Constant | readonly Constant[] = {},
): ValueAndGrad<Params, Inputs> {
  const attentions = stages.length - 1;
  if (attentions < 1) throw new ValueError('stages', stages.length, 'two at least: before and after attention');
  const given = Array.isArray(options) ? options : stages.slice(1).map(() => options);
  if (given.length !== attentions)
    throw new ValueError('options', given.length, `${attentions}, one for each attention`);

  const inner = stages.slice(0, -1) as unknown as Stage[];
  const forwards = inner.map((stage) => jit(stage));
  const backwards = inner.map((stage, i) => jit(backward(stage, i === 0)));
  const last = jit(valueAndGrad(stages.at(-1) as unknown as (params: Tree, x: Tree) => JaxArray, { argnums: [0, 1] }));

  const step = (params: Params, ...inputs: Inputs): [JaxArray, Params] => {
    const weights = params as unknown as Tree;
    const arguments_: Tree[][] = [];
    const pulls: Pull[] = [];
    let x = inputs as unknown as Tree[];
    for (const [i, forward] of forwards.entries()) {
      arguments_.push(x);
      const { q, k, v, coefficients, carry } = forward(tree.ref(weights), ...tree.ref(x)) as unknown as Attention<Tree>;
      const [output, pull] = linearAttentionVjp(q, k, v, { ...given[i], coefficients });
      pulls.push(pull);
      x = [{ output, carry }];
    }
    const [loss, [ofLast, ofInput]] = last(tree.ref(weights), x[0]) as [JaxArray, [Tree, Tree]];
    let [gradients, dx] = [ofLast, ofInput];
    for (let i = forwards.length - 1; i >= 0; i--) {
      const { output, carry } = dx as unknown as Attended<Tree>;
      const upstream = { ...pulls[i](output), carry } as unknown as Tree;
      const [more, next] = backwards[i](tree.ref(weights), upstream, ...arguments_[i]);
      gradients = tree.map((x: JaxArray, y: JaxArray) => numpy.add(x, y), gradients, more) as Tree;
      dx = next;
    }
    tree.dispose(weights);
    return [loss, gradients as unknown as Params];
  };
  return Object.assign(step, {
    dispose: () => {
      for (const compiled of [...forwards, ...backwards, last]) compiled.dispose();
    },
  });
}

/** Gradients of the parameters and, of the middle stages, of what they were given. */
const backward =
  (stage: Stage, first: boolean) =>
  (params: Tree, upstream: Tree, ...inputs: Tree[]): Tree[] => {
    const [ofParams, ...ofInputs] = pullBack(stage, [params, ...inputs], upstream);
    if (!first) return [ofParams, ...ofInputs];
    tree.dispose(ofInputs);
    return [ofParams];
  };

function pullBack(f: Stage, primals: Tree[], upstream: Tree): Tree[] {
  // jax-js 0.1.25 cannot differentiate a function that returns a number and what it computed from it (a residual stream, and q of
  // it): a product of its own for each result keeps results apart. Compiled, it costs nothing.
  const apart = (...inputs: Tree[]) =>
    tree.map((x: JaxArray) => x.mul(1), f(...(inputs as [Tree, ...Tree[]])) as Tree) as Tree;
  const [out, pull] = vjp(apart, primals);
  tree.dispose(out);
  // Structures of jax-js know the order of names: the stage's own, here.
  const inOrder = Object.keys(out).map((name) => [name, (upstream as { [name: string]: Tree })[name]]);
  const gradients = pull(Object.fromEntries(inOrder)) as Tree[];
  pull.dispose();
  return gradients;
}
