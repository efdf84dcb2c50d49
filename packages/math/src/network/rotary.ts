import { ValueError } from '../errors.ts';
import { apply, defineOp, type Op } from '../op.ts';
import type { RotaryAttributes } from '../ops/attributes.ts';
import { add, mul, sub } from '../ops/binary.ts';
import { concat, slice } from '../ops/movement.ts';
import { checkRank } from '../shape.ts';
import { type Tensor, tensor } from '../tensor.ts';

const rotaryOp: Op<RotaryAttributes> = defineOp<RotaryAttributes>({
  name: 'rotary',
  infer: ([x], { dimensions, offset }) => {
    checkRank('x', x!.shape, 4);
    if (!(Number.isInteger(dimensions) && dimensions > 0 && dimensions % 2 === 0 && dimensions <= x!.shape[3])) {
      throw new ValueError('dimensions', dimensions, `an even integer in [2, ${x!.shape[3]}]`);
    }
    if (!(Number.isInteger(offset) && offset >= 0)) throw new ValueError('offset', offset, 'an integer >= 0');
    return [{ shape: x!.shape, dtype: 'float' }];
  },
  compose: ([x], { dimensions, base, offset, inverse }) => {
    const [, tokens, , width] = x!.shape;
    const half = dimensions / 2;
    const table = (f: (angle: number) => number) =>
      tensor(
        x!.backend,
        Float64Array.from({ length: tokens * half }, (_, at) =>
          f(rotaryAngle(offset + Math.floor(at / half), at % half, dimensions, base)),
        ),
        [tokens, 1, half],
      );
    const cosine = table(Math.cos);
    const sine = table(inverse ? (angle) => -Math.sin(angle) : Math.sin);
    const first = slice(x!, 3, 0, half);
    const second = slice(x!, 3, half, dimensions);
    return [
      concat(
        [
          sub(mul(first, cosine), mul(second, sine)),
          add(mul(second, cosine), mul(first, sine)),
          ...(dimensions < width ? [slice(x!, 3, dimensions, width)] : []),
        ],
        3,
      ),
    ];
  },
  vjp: ({ attributes, gradients: [dy] }) => apply(rotaryOp, [dy], { ...attributes, inverse: !attributes.inverse }),
});

/** Angle of pair `pair` at a position: position · base^(-2 pair / dimensions). */
export const rotaryAngle = (position: number, pair: number, dimensions: number, base: number): number =>
  position * base ** ((-2 * pair) / dimensions);

/**
 * Rotary position embedding (Su et al. 2021) of x [B, N, H, D], in the half-split pairing of GPT-NeoX: feature i turns with
 * feature i + dimensions/2. Features from `dimensions` on pass through (partial rotary).
 * @param options.dimensions even; default D. `base` default 10,000. `offset`: position of the first token, default 0.
 */
export const rotary = (x: Tensor, options: Partial<RotaryAttributes> = {}): Tensor =>
  apply(rotaryOp, [x], { dimensions: x.shape.at(-1)!, base: 10_000, offset: 0, inverse: false, ...options })[0];
