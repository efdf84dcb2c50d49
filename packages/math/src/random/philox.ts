/** Two unsigned 32-bit words that name a stream of random numbers. */
export type PhiloxKey = readonly [number, number];

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High word of the 64-bit product of two unsigned 32-bit words. */
function mulHigh(x: number, y: number): number {
  const x0 = x & 0xffff;
  const x1 = x >>> 16;
  const y0 = y & 0xffff;
  const y1 = y >>> 16;
  const middle = x1 * y0 + ((x0 * y0) >>> 16);
  const low = (middle & 0xffff) + x0 * y1;
  return (x1 * y1 + Math.floor(middle / 65536) + Math.floor(low / 65536)) >>> 0;
}

/**
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): a bijection of the 128-bit counter
 * under a 64-bit key. Writes four unsigned 32-bit words to `out`.
 */
export function philox4x32(key: PhiloxKey, c0: number, c1: number, c2: number, c3: number, out: Uint32Array): void {
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0 >>> 0);
    const low0 = Math.imul(M0, c0);
    const high1 = mulHigh(M1, c2 >>> 0);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/**
 * A word as a number in (0, 1), from its upper 23 bits: (word >>> 9 + ½) / 2²³. Exact in float32, so that every backend draws
 * the same number.
 */
export const uniformFromWord = (word: number): number => ((word >>> 9) + 0.5) / 0x800000;

/**
 * Element i of a stream is word i mod 4 of the block with counter (i div 4, 0, stream₀, stream₁). Uniform: that word in (0, 1).
 * Normal: Box-Muller on words (0, 1) and (2, 3) of the block: √(-2 ln u) cos 2πv for the even element, sin for the odd one.
 */
export function philoxFill(
  out: Float64Array,
  distribution: 'normal' | 'uniform',
  key: PhiloxKey,
  stream: readonly [number, number],
): Float64Array {
  const words = new Uint32Array(4);
  for (let at = 0; at < out.length; at += 4) {
    philox4x32(key, at / 4, 0, stream[0], stream[1], words);
    const end = Math.min(4, out.length - at);
    for (let i = 0; i < end; i++) {
      if (distribution === 'uniform') out[at + i] = uniformFromWord(words[i]);
      else {
        const radius = Math.sqrt(-2 * Math.log(uniformFromWord(words[i & 2])));
        const angle = 2 * Math.PI * uniformFromWord(words[(i & 2) + 1]);
        out[at + i] = radius * (i & 1 ? Math.sin(angle) : Math.cos(angle));
      }
    }
  }
  return out;
}
