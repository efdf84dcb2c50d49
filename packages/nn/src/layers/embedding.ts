import { gather, type Tensor } from '@linattn/math';
import type { Initializer, ParameterSource } from '../parameters.ts';

/** One learned row a token: int32 [...] to [..., width]. */
export class Embedding {
  readonly weight: Tensor;

  constructor(source: ParameterSource, rows: number, width: number, initial: Initializer = { std: 0.02 }) {
    this.weight = source('weight', [rows, width], initial);
  }

  /** tokens [...] (int32) give [..., E]; one outside the vocabulary gives zeros. */
  forward(tokens: Tensor): Tensor {
    return gather(this.weight, tokens);
  }
}
