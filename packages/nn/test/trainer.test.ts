import { DenominatorError } from '@linattn/math';
import { float64Backend } from '@linattn/math/float64';
import { describe, expect, test } from 'vitest';
import {
  DivergedError,
  type GPTNeoXOptions,
  type LossOptions,
  labelled,
  SequenceClassifier,
  sampledWindows,
  sequentialWindows,
  type TrainableModel,
  Trainer,
  type TrainerOptions,
  withPrefix,
} from '../src/index.ts';
import { tinyModel } from './helpers.ts';

// Squares modulo 7: 0 1 4 2 2 4 1, over and over. From one token alone the next is a guess between two (0.59 nats); from two it is
// known: a loss well below 0.59 needs attention.
const cycle = Uint16Array.from({ length: 300 }, (_, i) => (i * i) % 7);
const data = sampledWindows(cycle, { seed: 2 });

const trainerOf = (model: Partial<GPTNeoXOptions> = {}, options: Partial<TrainerOptions> = {}) =>
  new Trainer({ model: tinyModel(model), data, batchSize: 2, seqLen: 10, steps: 25, learningRate: 2e-2, ...options });

async function losses(trainer: Trainer, steps: number): Promise<number[]> {
  const seen: number[] = [];
  for (let i = 0; i < steps; i++) seen.push((await trainer.step()).loss);
  return seen;
}

describe('training', () => {
  const kinds: [string, Partial<GPTNeoXOptions>][] = [
    ['linear attention', { attention: { type: 'linear' } }],
    [
      'linear attention with learned coefficients and noise',
      {
        attention: { type: 'linear', learnable: true },
        dropout: { mode: 'keys', rate: 0.1 },
      },
    ],
    ['softmax attention', { attention: { type: 'softmax' } }],
  ];
  const options = { batchSize: 4, steps: 40, weightDecay: 0 };

  test.each(kinds)('%s: overfits a pattern that takes attention, from ln 10 down', async (_, model) => {
    const trainer = trainerOf({ layers: 1, hiddenSize: 16, ...model }, options);
    const [first] = await losses(trainer, 40);
    expect(Math.abs(first - Math.log(10))).toBeLessThan(0.5);
    const { loss, count } = await trainer.evaluate(sequentialWindows(cycle.slice(0, 64)));
    expect(count).toBe(63);
    expect(loss).toBeLessThan(0.4);
  });

  test('a prefix: the continuation is learned', async () => {
    const prefixed = withPrefix(data, 4);
    const model = { layers: 1, hiddenSize: 16, attention: { type: 'linear', mask: 'prefix' } } as const;
    const trainer = trainerOf(model, { ...options, data: prefixed });
    await losses(trainer, 40);
    const { loss, count } = await trainer.evaluate(withPrefix(sequentialWindows(cycle.slice(0, 61)), 4));
    // 6 rows of 10 tokens, of which 7 predict what is not given.
    expect(count).toBe(42);
    expect(loss).toBeLessThan(0.4);
  });

  test('batches that are accumulated make one larger batch', async () => {
    const halves = {
      batch: (i: number, size: number, length: number) => {
        const whole = data.batch(i >> 1, 2 * size, length)!;
        const part = (x: Int32Array) => x.slice((i & 1) * size * length, ((i & 1) + 1) * size * length);
        return { tokens: part(whole.tokens), targets: part(whole.targets), shape: [size, length] };
      },
    };
    const [one, two] = [trainerOf({}, { batchSize: 4 }), trainerOf({}, { data: halves, accumulate: 2 })];
    for (let i = 0; i < 3; i++) {
      const [expected, given] = [await one.step(), await two.step()];
      expect(Math.abs(given.loss - expected.loss)).toBeLessThan(1e-10);
      expect(Math.abs(given.gradientNorm - expected.gradientNorm)).toBeLessThan(1e-10);
      expect(given.tokens).toBe(40);
    }
  });

  test('an update takes the clipped gradient and the learning rate of its step', async () => {
    const trainer = trainerOf({}, { clip: 0.01, warmup: 5 });
    const results = [await trainer.step(), await trainer.step()];
    expect(results.map(({ learningRate }) => learningRate)).toEqual([2e-2 / 5, (2 * 2e-2) / 5]);
    expect(results[0].gradientNorm).toBeGreaterThan(0.1);
    const once = trainerOf({}, { clip: 0.01, warmup: 5 });
    const before = (await once.state()).parameters;
    await once.step();
    const { parameters, moment1 } = await once.state();
    const squares = [...moment1.values()].flatMap(({ values }) => [...values].map((value) => value ** 2));
    // After one update the first moment is 0.1 of the gradient.
    expect(Math.sqrt(squares.reduce((x, y) => x + y))).toBeCloseTo(0.1 * 0.01, 12);
    // Adam's first update of a bias is the learning rate itself, whatever the gradient.
    const bias = 'gpt_neox.layers.0.mlp.dense_4h_to_h.bias';
    const moved = parameters.get(bias)!.values[0] - before.get(bias)!.values[0];
    expect(Math.abs(moved)).toBeCloseTo(2e-2 / 5, 5);
  });

  test('each batch of each step draws noise of its own, by seed and progress', async () => {
    const model = tinyModel({ layers: 1 });
    const seen: LossOptions[] = [];
    const watched: TrainableModel = {
      backend: model.backend,
      config: model.config,
      targetSize: model.targetSize,
      parameters: model.parameters,
      loss: (tokens, targets, options = {}) => {
        seen.push(options);
        return model.loss(tokens, targets, options);
      },
    };
    const trainer = new Trainer({ model: watched, data, batchSize: 1, seqLen: 4, steps: 4, accumulate: 2, seed: 6 });
    await trainer.step();
    await trainer.step();
    const context = { training: true, seed: 6 };
    expect(seen).toMatchObject([
      { ...context, step: 0, progress: 0 },
      { ...context, step: 1, progress: 0 },
      { ...context, step: 2, progress: 0.25 },
      { ...context, step: 3, progress: 0.25 },
    ]);
    await trainer.evaluate(sequentialWindows([1, 2, 3]));
    expect(seen.at(-1)?.training).toBeFalsy();
    trainer.dispose();
    const late = new Trainer({ ...trainer.options, progress: () => 0.75 });
    await late.step();
    expect(seen.at(-1)).toMatchObject({ progress: 0.75 });
  });

  test('steps may be queued without waiting for results', async () => {
    const expected = await losses(trainerOf(), 3);
    const trainer = trainerOf();
    const queued = await Promise.all([trainer.step(), trainer.step(), trainer.step()]);
    expect(queued.map(({ loss }) => loss)).toEqual(expected);
  });

  describe('train()', () => {
    /** As a GPU: what is asked for comes later, and never at once. */
    const queueing = () => {
      const backend = float64Backend();
      const { download } = backend;
      return Object.assign(backend, {
        downloadSync: undefined,
        download: async (...call: Parameters<typeof download>) => {
          await new Promise((resolve) => setTimeout(resolve, 5));
          return download(...call);
        },
      });
    };
    const onQueue = (options: Partial<TrainerOptions>) =>
      trainerOf({}, { model: tinyModel({}, 1, queueing()), ...options });
    const collect = async (trainer: Trainer, pause?: (done: number) => boolean) => {
      const seen: { step: number; loss: number; ahead: number }[] = [];
      for await (const { step, loss } of trainer.train({ pause }))
        seen.push({ step, loss, ahead: trainer.steps - step - 1 });
      return seen;
    };

    test('gives the results of all steps, one after the other where the backend computes at once', async () => {
      const expected = await losses(trainerOf({}, { steps: 4 }), 4);
      const seen = await collect(trainerOf({}, { steps: 4 }));
      expect(seen).toEqual(expected.map((loss, step) => ({ step, loss, ahead: 0 })));
    });

    test('queues a step ahead, but where the caller wants to see the model', async () => {
      const expected = await losses(trainerOf({}, { steps: 5 }), 5);
      const asked: number[] = [];
      const pause = (done: number) => {
        asked.push(done);
        return done === 2;
      };
      const seen = await collect(onQueue({ steps: 5 }), pause);
      expect(seen).toEqual(expected.map((loss, step) => ({ step, loss, ahead: [1, 0, 1, 1, 0][step] })));
      expect(asked).toEqual([1, 2, 3, 4, 5]);
    });

    test("a step's time is its own, not its neighbour's", async () => {
      const trainer = onQueue({ steps: 6 });
      const started = performance.now();
      let sum = 0;
      for await (const { milliseconds } of trainer.train()) sum += milliseconds;
      expect(sum).toBeLessThanOrEqual(performance.now() - started);
    });

    test('left early, it waits for the step under way, and goes on from there', async () => {
      const expected = await losses(trainerOf({}, { steps: 4 }), 4);
      const trainer = onQueue({ steps: 4 });
      for await (const { step } of trainer.train()) if (step === 1) break;
      expect(trainer.steps).toBe(3);
      expect((await trainer.state()).step).toBe(3);
      expect((await collect(trainer)).map(({ loss }) => loss)).toEqual(expected.slice(3));
      expect(await collect(trainer)).toEqual([]);
    });

    test('a failure of the step ahead comes in its turn, and one before it hides it', async () => {
      const failing = (at: number) => onQueue({ learningRate: (step) => (step >= at ? 1e200 : 1e-3), clip: 0 });
      const seen: number[] = [];
      const run = async (trainer: Trainer) => {
        for await (const { step } of trainer.train()) seen.push(step);
      };
      await expect(run(failing(1))).rejects.toMatchObject({ code: 'DIVERGED', step: 2 });
      expect(seen).toEqual([0, 1]);
    });
  });

  test('memory stays flat over 200 steps', async () => {
    const trainer = trainerOf(
      { layers: 1, dropout: { mode: 'matched', rate: 0.1 } },
      { batchSize: 1, seqLen: 4, steps: 200 },
    );
    const { backend } = trainer.options.model;
    const before = backend.memory();
    for (let i = 0; i < 200; i++) {
      await trainer.step();
      expect(backend.memory()).toEqual(before);
    }
    await trainer.evaluate(sequentialWindows(cycle.slice(0, 20)));
    expect(backend.memory()).toEqual(before);
    trainer.dispose();
    expect(backend.memory().buffers).toBe(trainer.options.model.parameters.size);
  });

  describe('the most memory in use', () => {
    const rows = { batchSize: 1, seqLen: 64, steps: 1 };
    /** Bytes beyond those there at the start, at their highest among the uploads of a run; and bytes of parameters. */
    const peakOf = async (layers: number, run: (trainer: Trainer) => Promise<unknown>) => {
      const backend = float64Backend();
      const { upload } = backend;
      let peak = 0;
      const watched = Object.assign(backend, {
        upload: (...call: Parameters<typeof upload>) => {
          peak = Math.max(peak, backend.memory().bytes);
          return upload(...call);
        },
      });
      const model = tinyModel({ layers }, 1, watched);
      const parameters = backend.memory().bytes;
      const trainer = new Trainer({ model, data, ...rows });
      const before = backend.memory().bytes;
      await run(trainer);
      return { peak: peak - before, parameters };
    };

    test('in evaluation, is that of one layer', async () => {
      const evaluate = (trainer: Trainer) => trainer.evaluate(sequentialWindows(cycle.slice(0, 65)));
      const [two, four] = [await peakOf(2, evaluate), await peakOf(4, evaluate)];
      expect(four.peak).toBe(two.peak);
    });

    test('in training, grows by what a layer saves', async () => {
      const [two, four] = [await peakOf(2, (trainer) => trainer.step()), await peakOf(4, (trainer) => trainer.step())];
      // 64 tokens: seven rows of 8 (x, two norms, q, k, v, o), two of 12, g and the norms' statistics.
      const saved = 8 * (64 * (7 * 8 + 2 * 12 + 2 + 4) + 3);
      expect((four.peak - two.peak) / 2).toBe(saved);
    });
  });
});

describe('what goes wrong is told', () => {
  test('a loss that is not finite names the step', async () => {
    const trainer = trainerOf({}, { learningRate: (step) => (step === 2 ? 1e200 : 1e-3), clip: 0 });
    const error = await losses(trainer, 10).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(DivergedError);
    expect(error).toMatchObject({ code: 'DIVERGED', step: 3 });
    expect(String(error)).toMatch(/step 3: (loss|gradientNorm) is (NaN|Infinity)/);
  });

  test('strict: a denominator <= 0 fails the step', async () => {
    const trainer = trainerOf({ attention: { type: 'linear', a: -1, b: 0, normalize: 'none', strict: true } });
    await expect(trainer.step()).rejects.toThrow(DenominatorError);
  });

  test('ids outside the vocabulary, data that end, targets of no shape', async () => {
    await expect(
      trainerOf({}, { data: sampledWindows([1, 2, 99, 4, 5, 6, 7, 8, 9, 1, 2, 3]) }).step(),
    ).rejects.toMatchObject({
      code: 'VALUE',
      given: 99,
    });
    await expect(losses(trainerOf({}, { data: sequentialWindows(cycle.slice(0, 21)) }), 2)).rejects.toMatchObject({
      argument: 'data',
    });
    const odd = { batch: () => ({ tokens: new Int32Array(20), targets: new Int32Array(3), shape: [2, 10] }) };
    await expect(trainerOf({}, { data: odd }).step()).rejects.toMatchObject({ code: 'SHAPE', argument: 'targets' });
  });

  test.each([
    [{ batchSize: 0 }, 'batchSize'],
    [{ seqLen: 1.5 }, 'seqLen'],
    [{ steps: -1 }, 'steps'],
    [{ clip: -1 }, 'clip'],
    [{ accumulate: 0 }, 'accumulate'],
    [{ learningRate: Number.NaN }, 'learningRate'],
    [{ warmup: 26 }, 'warmup'],
  ])('%j is refused by name', (options, argument) => {
    expect(() => trainerOf({}, options)).toThrow(expect.objectContaining({ code: 'VALUE', argument }));
  });
});

describe('a classifier', () => {
  // The class is whether more 1s or 2s are among the tokens.
  const examples = Array.from({ length: 40 }, (_, i) => {
    const tokens = Array.from({ length: 3 + (i % 4) }, (_, k) => ((i * 7 + k * k * 3) % 5 < 2 ? 1 : 2));
    return { tokens, label: tokens.filter((token) => token === 1).length > tokens.length / 2 ? 1 : 0 };
  });
  const options = { vocabSize: 3, hiddenSize: 8, layers: 1, heads: 2, rotaryFraction: 0.5, classes: 2 };

  test.each(['linear', 'softmax'] as const)('%s attention: learns; padding changes nothing', async (type) => {
    const model = SequenceClassifier.init(float64Backend(), { ...options, attention: { type } }, { seed: 3 });
    const trainer = new Trainer({
      model,
      data: labelled(examples),
      batchSize: 8,
      seqLen: 6,
      steps: 30,
      learningRate: 2e-2,
    });
    await losses(trainer, 30);
    const one = await trainer.evaluate(labelled(examples, { order: 'sequential' }));
    expect(one.count).toBe(40);
    expect(one.loss).toBeLessThan(0.35);
    // One row at a time there is no padding.
    const rows = new Trainer({ ...trainer.options, batchSize: 1 });
    expect((await rows.evaluate(labelled(examples, { order: 'sequential' }))).loss).toBeCloseTo(one.loss, 9);
  });

  test('a class outside is refused', async () => {
    const model = SequenceClassifier.init(float64Backend(), options);
    const bad = new Trainer({ model, data: labelled([{ tokens: [1], label: 2 }]), batchSize: 1, seqLen: 4, steps: 1 });
    await expect(bad.step()).rejects.toMatchObject({ code: 'VALUE', argument: 'targets[0]' });
    expect(() => SequenceClassifier.init(float64Backend(), { ...options, classes: 0 })).toThrow(/classes/);
  });
});
