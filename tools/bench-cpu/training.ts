import * as jaxjs from '@jax-js/jax';
import { GPTNeoX, Trainer } from '@linattn/nn';
import { type Context, settings, subjectName } from './context.ts';
import { interleave, numbers, type Subject } from './measure.ts';
import { upload } from './peers/jax.ts';
import { adamW, initialParameters, lossAndGradients, type ModelSizes } from './peers/jax-model.ts';
import type { Result } from './results.ts';

/** 6 layers, 128 wide, 4 heads, 4,096 tokens a step; the vocabulary of a small tokeniser, and Pythia-14M's own. */
export const sizes = (vocabulary: number): ModelSizes => ({
  vocabulary,
  hidden: 128,
  layers: 6,
  heads: 4,
  batch: 8,
  tokens: 512,
});

export async function measureTraining(context: Context): Promise<Result[]> {
  const results = [await measureStep(context, sizes(4096), context.peers.has('jax'))];
  // jax-js holds the logits of all tokens, several times over: this vocabulary does not fit its 4 GiB.
  if (!context.quick) results.push(await measureStep(context, sizes(50304), false));
  return results;
}

const idsOf = (count: number, vocabulary: number, seed: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 7919 + seed * 104729) % vocabulary);

async function measureStep(context: Context, model: ModelSizes, withJax: boolean): Promise<Result> {
  const subjects: Subject[] = [];
  const notes: (() => string)[] = [];
  const cleanups: (() => void)[] = [];
  for (const backend of context.backends) {
    const name = subjectName(backend);
    const own = ownTrainer(backend, model);
    subjects.push({ name, run: own.step });
    notes.push(() => {
      const { bytes, pooledBytes } = backend.memory();
      return `${name}: ${Math.round((bytes + pooledBytes) / 2 ** 20)} MiB of memory`;
    });
    cleanups.push(own.dispose);
  }
  if (withJax) subjects.push({ name: 'jax-js', run: jaxTrainer(model) });
  const timings = await interleave(subjects, settings(context));
  const said = notes.map((note) => note());
  for (const cleanup of cleanups) cleanup();
  return {
    group: 'training',
    work: `training step, vocabulary ${model.vocabulary}`,
    threads: context.threads,
    timings,
    tokens: model.batch * model.tokens,
    notes: said,
  };
}

export function ownTrainer(
  backend: Context['backends'][number],
  { vocabulary, hidden, layers, heads, batch, tokens }: ModelSizes,
) {
  const options = { vocabSize: vocabulary, hiddenSize: hidden, layers, heads, rotaryFraction: 0 };
  const model = GPTNeoX.init(backend, options);
  const shape = [batch, tokens];
  const data = {
    batch: (index: number) => ({
      tokens: idsOf(batch * tokens, vocabulary, index),
      targets: idsOf(batch * tokens, vocabulary, index + 1),
      shape,
    }),
  };
  const trainer = new Trainer({ model, data, batchSize: batch, seqLen: tokens, steps: 1000 });
  return {
    step: async () => void (await trainer.step()),
    dispose: () => {
      trainer.optimizer.dispose();
      model.dispose();
    },
  };
}

export function jaxTrainer(model: ModelSizes): () => Promise<void> {
  const gradients = lossAndGradients(model);
  const update = adamW();
  const first = initialParameters(model, numbers);
  let [parameters, tree] = jaxjs.tree.flatten(first);
  let m = parameters.map((each) => jaxjs.numpy.zeros(each.shape));
  let v = parameters.map((each) => jaxjs.numpy.zeros(each.shape));
  let index = 0;
  const ids = (seed: number) =>
    upload(idsOf(model.batch * model.tokens, model.vocabulary, seed), [model.batch * model.tokens]);
  return async () => {
    const held = jaxjs.tree.unflatten(
      tree,
      parameters.map((each) => each.ref),
    ) as typeof first;
    const [loss, gradient] = gradients(held, ids(index), ids(index + 1)) as unknown as [jaxjs.Array, typeof first];
    index++;
    const [list] = jaxjs.tree.flatten(gradient);
    [parameters, m, v] = update(parameters, list as jaxjs.Array[], m, v) as unknown as [
      jaxjs.Array[],
      jaxjs.Array[],
      jaxjs.Array[],
    ];
    await jaxjs.blockUntilReady([...parameters, ...m, ...v]);
    if (!Number.isFinite((await loss.data())[0])) throw new Error('the loss is not finite');
  };
}
