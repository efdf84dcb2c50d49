import { type PhiloxKey, philox4x32, ValueError } from '@linattn/math';

/** FNV-1a of a name: a 32-bit word that tells streams apart. */
export function wordOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/**
 * The Philox key of a seed and a purpose, so that parameters, data, dropout and sampling never share draws.
 * @throws ValueError unless seed is a safe integer >= 0.
 */
export function seedKey(seed: number, purpose: string): PhiloxKey {
  if (!Number.isSafeInteger(seed) || seed < 0) throw new ValueError('seed', seed, 'an integer in [0, 2^53)');
  return [seed >>> 0, (Math.floor(seed / 2 ** 32) ^ wordOf(purpose)) >>> 0];
}

/** Draw `index` of stream `stream`: a number in [0, 1) with 53 random bits. */
export function uniform53(key: PhiloxKey, stream: number, index: number): number {
  const words = new Uint32Array(4);
  philox4x32(key, index >>> 0, Math.floor(index / 2 ** 32), stream >>> 0, Math.floor(stream / 2 ** 32), words);
  return ((words[0] >>> 5) * 2 ** 26 + (words[1] >>> 6)) / 2 ** 53;
}
