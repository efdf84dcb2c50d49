import { fill, linear, mul, scope, sum, type Tensor, tensor, vjp } from '@linattn/math';
import { adamW, layerNorm } from '@linattn/math/network';
import { afterAll, describe, expect, test } from 'vitest';
import { open } from './adapter.ts';

// Making a bind group costs more than recording a launch. Equal steps get equal buffers, so they make none.
const backend = await open();
const missing = typeof backend === 'string' ? backend : undefined;
if (missing) console.warn(`Bind groups in WebGPU are skipped: ${missing}`);

describe.skipIf(missing !== undefined)('bind groups', () => {
  if (typeof backend === 'string') return;
  afterAll(() => backend.dispose());
  const { device } = backend;
  let made = 0;
  const make = device.createBindGroup.bind(device);
  device.createBindGroup = (descriptor) => {
    made++;
    return make(descriptor);
  };

  const draw = (shape: readonly number[], key: number): Tensor =>
    tensor(
      backend,
      Float32Array.from({ length: shape.reduce((x, y) => x * y) }, (_, i) => Math.sin(i * 1.7 + key)),
      shape,
    );

  /** A model of three parameters, some of equal sizes. */
  const model = () => {
    const parameters = [draw([24, 24], 1), draw([24, 24], 2), draw([24], 3)];
    const moments = parameters.map(({ shape }) => [fill(backend, shape, 0), fill(backend, shape, 0)]);
    const step = (index: number) =>
      scope(() => {
        const x = draw([40, 24], index);
        const [first, second, gain] = parameters;
        const tape = vjp(() => {
          const y = layerNorm(linear(mul(linear(x, first), linear(x, second)), first), gain, fill(backend, [24], 0));
          return [sum(mul(y, y))];
        }, parameters);
        const gradients = tape.pullback([fill(backend, [], 1)]);
        const groups = parameters.map((parameter, i) => ({
          parameter,
          gradient: gradients[i],
          moment1: moments[i][0],
          moment2: moments[i][1],
        }));
        const rates = { learningRate: 1e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: [0, 0, 0] };
        adamW(groups, fill(backend, [], 1), { ...rates, step: index });
        for (const each of [...gradients, ...tape.outputs]) each.dispose();
      });
    return { step, free: () => [...parameters, ...moments.flat()].forEach((each) => void each.dispose()) };
  };

  test('warm steps make none, also after other work', async () => {
    const { step, free } = model();
    const steps = async (first: number, count: number) => {
      const before = made;
      for (let i = first; i < first + count; i++) {
        step(i);
        await backend.submit();
      }
      return made - before;
    };
    expect(await steps(1, 4)).toBeGreaterThan(0);
    expect(await steps(5, 20)).toBe(0);
    // A text is generated in between, say: with sizes of its own, and some of the step's.
    for (let i = 1; i < 30; i++) {
      scope(() => void mul(draw([i, 24], i), draw([i, 24], i + 1)));
      await backend.submit();
    }
    await steps(25, 2);
    expect(await steps(27, 20)).toBe(0);
    free();
  });
});
