import { type Tensor, unscoped } from '@linattn/math';

/** What a forward pass knows besides its input. */
export interface ForwardContext {
  /** Dropout acts only in training. */
  readonly training: boolean;
  /** Optimiser step, from 0: tells draws of noise apart. */
  readonly step: number;
  /** Share of training done, in [0, 1]: what dropout's schedule goes by. */
  readonly progress: number;
  /** Seed of the noise. */
  readonly seed: number;
  /** Conditional tokens P, for the mask `prefix`. */
  readonly prefix?: number;
  /** Position of the first token: how many came before it in `BlockMemory`. */
  readonly position: number;
  /** `[B, N, H]`: 1 for keys that are there, 0 for padding. */
  readonly keyWeights?: Tensor;
}

/** A forward pass in evaluation, from the first token on. */
export const evaluation: ForwardContext = { training: false, step: 0, progress: 1, seed: 0, position: 0 };

/** What one layer remembers of the tokens before. Belongs to no scope. */
export class LayerMemory {
  #tensors: readonly Tensor[] = [];

  get tensors(): readonly Tensor[] {
    return this.#tensors;
  }

  /** Holds these in place of what was held. */
  remember(...tensors: Tensor[]): void {
    const kept = unscoped(() => tensors.map((tensor) => tensor.view()));
    this.dispose();
    this.#tensors = kept;
  }

  /** Frees the state. */
  dispose(): void {
    for (const tensor of this.#tensors) tensor.dispose();
    this.#tensors = [];
  }
}

/** What one block remembers of the tokens before. */
export class BlockMemory {
  /** The recurrent state, which never grows, for linear attention; keys and values, which do, for softmax attention. */
  readonly attention = new LayerMemory();
  /** The last few inputs of the short convolutions. */
  readonly attentionInput = new LayerMemory();
  readonly mlpInput = new LayerMemory();

  /** Frees the state. */
  dispose(): void {
    for (const memory of [this.attention, this.attentionInput, this.mlpInput]) memory.dispose();
  }
}
