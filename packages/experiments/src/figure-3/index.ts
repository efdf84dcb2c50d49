import { GPTNeoX, type GPTNeoXOptions, resolveConfig, sampledWindows, sequentialWindows } from '@linattn/nn';
import type { Experiment, Task, TaskContext, Text } from '../frame/experiment.ts';
import { train } from '../training/train.ts';
import { type AttentionName, attentions, type Figure3Settings, type Trained } from './settings.ts';
import { writeFigure3 } from './write.ts';

/** One configuration for both: only the attention differs. */
function modelOf(settings: Figure3Settings, attention: AttentionName, vocabSize: number): GPTNeoXOptions {
  const { layers, hiddenSize, heads, dropout } = settings;
  return {
    vocabSize,
    layers,
    hiddenSize,
    heads,
    attention: { type: attention },
    dropout: { mode: 'paper', rate: dropout, decay: 'linear' },
  };
}

async function trainOne(settings: Figure3Settings, attention: AttentionName, context: TaskContext): Promise<Trained> {
  const { data, tokenizer, seed, batchSize, seqLen, validationTokens } = settings;
  const text: Text = await context.loadText(data, tokenizer);
  const backend = await context.openBackend();
  try {
    const model = GPTNeoX.init(backend, resolveConfig(modelOf(settings, attention, text.vocabSize)), { seed });
    const whole = Math.floor(Math.min(validationTokens, text.validation.length - 1) / seqLen) * seqLen;
    const curve = await train(
      model,
      {
        training: sampledWindows(text.training, { seed }),
        validation: sequentialWindows(text.validation.subarray(0, (whole || text.validation.length - 1) + 1)),
      },
      { ...settings, batchSize, weightDecay: 0.1 },
      context,
    );
    const parameters = [...model.parameters.values()].reduce((sum, { size }) => sum + size, 0);
    model.dispose();
    const { description, charactersPerToken, entropy } = text;
    return { ...curve, parameters, text: description, charactersPerToken, entropy };
  } finally {
    await backend.dispose();
  }
}

/** Linear and tiled softmax attention in the same model on the same text: loss by steps and by time. */
export const figure3: Experiment<Figure3Settings, Trained> = {
  name: 'figure-3',
  title: 'Figure 3: a language model with linear and with softmax attention',
  scales: {
    smoke: {
      ...{
        seed: 1,
        data: 'stories',
        tokenizer: 'bytes',
        layers: 1,
        hiddenSize: 16,
        heads: 2,
        batchSize: 1,
        seqLen: 64,
      },
      ...{ steps: 8, learningRate: 1e-3, dropout: 0.2, evaluations: 2, validationTokens: 256 },
    },
    laptop: {
      ...{ seed: 1, data: 'tinystories', tokenizer: 'bytes', layers: 2, hiddenSize: 64, heads: 4, batchSize: 1 },
      ...{ seqLen: 2048, steps: 400, learningRate: 3e-3, dropout: 0.2, evaluations: 10, validationTokens: 16_384 },
    },
    // Pythia-14M.
    paper: {
      ...{ seed: 1, data: 'tinystories-train', tokenizer: 'bytes', layers: 6, hiddenSize: 128, heads: 4, batchSize: 8 },
      ...{ seqLen: 4096, steps: 20_000, learningRate: 1e-3, dropout: 0.2, evaluations: 40, validationTokens: 131_072 },
    },
  },
  tasks: (settings) =>
    attentions.map(
      (attention): Task<Trained> => ({ key: attention, run: (context) => trainOne(settings, attention, context) }),
    ),
  write: writeFigure3,
};
