import { add, indices, scope, square, sum, type Tensor, tensor, valueAndGrad } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { expect, test } from 'vitest';
import { drawn, Embedding, evaluation, Linear, MLP, Parameters, RMSNorm, SelfAttention, under } from '../src/index.ts';

test('layers make a model of one own: RMSNorm, SiLU, sequential, without rotary', async () => {
  const backend = float64Backend();
  const parameters = new Parameters();
  const source = parameters.collect(drawn(backend, 3));
  const width = 6;
  const embedding = new Embedding(under(source, 'embedding'), 5, width, { std: 1 });
  const norm = new RMSNorm(under(source, 'norm'), width);
  const attention = new SelfAttention(under(source, 'attention'), {
    hiddenSize: width,
    heads: 3,
    rotaryDimensions: 0,
    rotaryBase: 10_000,
    attention: { type: 'softmax', mask: 'causal' },
    dropout: { mode: 'none', rate: 0, decay: 'linear', until: 1 },
    layer: 0,
    initial: { std: 1 },
    outputInitial: { std: 1 },
  });
  const mlp = new MLP(under(source, 'mlp'), {
    hiddenSize: width,
    intermediateSize: 8,
    activation: 'silu',
    initial: { std: 1 },
    outputInitial: { std: 1 },
  });
  const head = new Linear(under(source, 'head'), width, 2, { bias: false, initial: { std: 1 } });
  expect([...parameters.tensors.keys()]).toContain('attention.query_key_value.bias');
  expect(parameters.tensors.has('head.bias')).toBe(false);

  const tokens = indices(backend, [1, 0, 4, 2], [1, 4]);
  const loss = (): Tensor => {
    const x = embedding.forward(tokens);
    const y = add(x, attention.forward(norm.forward(x), evaluation));
    return sum(square(head.forward(add(y, mlp.forward(norm.forward(y))))));
  };
  const { gradients } = valueAndGrad(loss, [...parameters.tensors.values()]);
  for (const [i, [name, parameter]] of [...parameters.tensors].entries()) {
    const values = Float64Array.from(await parameter.read());
    const gradient = Float64Array.from(await gradients[i].read());
    const at = async (step: number) => {
      const moved = values.map((value, j) => value + step * Math.cos(2 * j));
      parameter.assign(tensor(backend, moved, parameter.shape));
      return scope(loss).item();
    };
    const h = 1e-4;
    const slope = (8 * ((await at(h)) - (await at(-h))) - ((await at(2 * h)) - (await at(-2 * h)))) / (12 * h);
    await at(0);
    const expected = gradient.reduce((total, value, j) => total + value * Math.cos(2 * j), 0);
    expect(Math.abs(slope - expected), name).toBeLessThan(1e-7 * Math.max(1, Math.abs(expected)));
  }
});
