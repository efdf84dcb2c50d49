import type { KernelTable, RotaryAttributes, Tensor } from '@linattn/math';
import { rotaryAngle } from '@linattn/math/network';
import { linear } from '../core/matmul.ts';
import { bufferOf, type Gpu, gridOf } from '../runtime/gpu.ts';
import type { Buffer } from '../runtime/pool.ts';
import { adamW } from './adamw.ts';
import crossEntropySource from './cross-entropy.wgsl?raw';
import { linearCrossEntropyKernels } from './linear-cross-entropy.ts';
import { normalizationKernels } from './normalization.ts';
import { random } from './random.ts';
import rotarySource from './rotary.wgsl?raw';
import { squaredNorm } from './squared-norm.ts';
import { weightedLinearCrossEntropy } from './weighted-linear-cross-entropy.ts';

/** Tables of cosines and sines that are kept: a model uses one or two. */
const tables = 8;

/** Cosine and sine of every token's angles, made once. */
class RotaryTables {
  readonly #gpu: Gpu;
  readonly #made = new Map<string, Buffer>();

  constructor(gpu: Gpu) {
    this.#gpu = gpu;
  }

  get(tokens: number, { dimensions, base, offset }: RotaryAttributes): Buffer {
    const key = [tokens, dimensions, base, offset].join(' ');
    const known = this.#made.get(key);
    if (known) return known;
    if (this.#made.size === tables) {
      const [oldest, buffer] = [...this.#made][0];
      this.#made.delete(oldest);
      this.#gpu.keep(-1);
      this.#gpu.give(buffer);
    }
    const half = dimensions / 2;
    const values = new Float32Array(2 * tokens * half);
    for (let at = 0; at < tokens * half; at++) {
      const angle = rotaryAngle(offset + Math.floor(at / half), at % half, dimensions, base);
      values[2 * at] = Math.cos(angle);
      values[2 * at + 1] = Math.sin(angle);
    }
    const buffer = this.#gpu.upload(values);
    this.#gpu.keep(1);
    this.#made.set(key, buffer);
    return buffer;
  }
}

function crossEntropy(
  gpu: Gpu,
  op: number,
  logits: Tensor,
  targets: Tensor,
  out: Buffer,
  logSum: Buffer,
  dy?: Tensor,
): void {
  const [rows, width] = logits.shape;
  gpu.run(
    { name: 'crossEntropy', source: crossEntropySource, constants: { OP: op } },
    [out, logSum, bufferOf(logits), bufferOf(targets), dy ? bufferOf(dy) : gpu.nothing],
    [rows, width],
    gridOf(rows, 1),
  );
}

/** What training runs often, each in one or a few kernels. */
export function trainingKernels(gpu: Gpu): KernelTable {
  const rotaryTables = new RotaryTables(gpu);
  return {
    ...normalizationKernels(gpu),
    ...linearCrossEntropyKernels(gpu),
    weightedLinearCrossEntropy: weightedLinearCrossEntropy(gpu),
    random: random(gpu),

    linear: ([x, weight, bias]) => [linear(gpu, x!, weight!, bias)],

    rotary: ([x], attributes) => {
      const [, tokens, heads, width] = x!.shape;
      const out = gpu.take('rotary', x!.size);
      gpu.run(
        { name: 'rotary', source: rotarySource, constants: {} },
        [out, bufferOf(x), rotaryTables.get(tokens, attributes)],
        [x!.size, tokens, heads, width, attributes.dimensions / 2, Number(attributes.inverse)],
        gridOf(x!.size, 256),
      );
      return [out];
    },

    crossEntropy: ([logits, targets]) => {
      const rows = logits!.shape[0];
      const [loss, logSum] = [gpu.take('crossEntropy', rows), gpu.take('crossEntropy', rows)];
      crossEntropy(gpu, 0, logits!, targets!, loss, logSum);
      return [loss, logSum];
    },

    crossEntropyBackward: ([logits, targets, logSum, dy]) => {
      const out = gpu.take('crossEntropy', logits!.size);
      crossEntropy(gpu, 1, logits!, targets!, out, bufferOf(logSum), dy);
      return [out];
    },

    squaredNorm: squaredNorm(gpu),
    adamW: adamW(gpu),
  };
}
