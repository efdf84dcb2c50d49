import type { Tensor } from '@linattn/math';
import { type GPTNeoXConfig, rotaryDimensions } from '../config.ts';
import { Block } from '../layers/block.ts';
import type { BlockMemory, ForwardContext } from '../layers/context.ts';
import { Embedding } from '../layers/embedding.ts';
import { LayerNorm } from '../layers/norm.ts';
import { type ParameterSource, under } from '../parameters.ts';

/** Standard deviations of fresh matrices: inside, and of layers that write to the residual stream. */
export function initialSpread({ initialization, hiddenSize, layers }: GPTNeoXConfig) {
  const pythia = initialization === 'pythia';
  return {
    initial: { std: pythia ? Math.sqrt(2 / (5 * hiddenSize)) : 0.02 },
    outputInitial: { std: pythia ? 2 / (layers * Math.sqrt(hiddenSize)) : 0.02 },
  };
}

/** What every model of the family shares: embedding, blocks, final norm. */
export class Trunk {
  readonly embedding: Embedding;
  readonly #blocks: readonly Block[];
  readonly #finalNorm: LayerNorm;

  constructor(source: ParameterSource, config: GPTNeoXConfig) {
    const { vocabSize, hiddenSize, layers, layerNormEpsilon } = config;
    const spread = initialSpread(config);
    this.embedding = new Embedding(under(source, 'embed_in'), vocabSize, hiddenSize, spread.initial);
    this.#blocks = Array.from({ length: layers }, (_, layer) => {
      const options = { ...config, ...spread, layer, rotaryDimensions: rotaryDimensions(config) };
      return new Block(under(source, `layers.${layer}`), options);
    });
    this.#finalNorm = new LayerNorm(under(source, 'final_layer_norm'), hiddenSize, layerNormEpsilon);
  }

  /** tokens [B, N] to [B, N, hiddenSize]. */
  forward(tokens: Tensor, context: ForwardContext, memories?: readonly BlockMemory[]): Tensor {
    let x = this.embedding.forward(tokens);
    this.#blocks.forEach((block, layer) => {
      const next = block.forward(x, context, memories?.[layer]);
      // What backward needs of it the tape holds.
      x.dispose();
      x = next;
    });
    return this.#finalNorm.forward(x);
  }

  /** Frees constants; parameters belong to the model. */
  dispose(): void {
    for (const block of this.#blocks) block.dispose();
  }
}
