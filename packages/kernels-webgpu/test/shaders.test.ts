import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { linearAttention, matmul, scope, tensor, vjp } from '@linattn/math';
import { describe, expect, test } from 'vitest';
import { chooseChunkTile, chooseStateTile, chunkBytes, stateBytes } from '../src/attention/tiles.ts';
import { evaluate, specialize } from '../src/runtime/specialize.ts';
import { open } from './adapter.ts';

describe('specialize', () => {
  test('unrolls loops, also nested ones, and turns register arrays into variables', () => {
    const source = `// @registers a
const N = M / 2u;
fn main() {
  var a: array<f32, N * 2u>;
  // @unroll
  for (var i = 0u; i < N; i++) {
    // @unroll
    for (var j = 0u; j < 2u; j++) { a[i * 2u + j] += f32(i) * x[j]; }
  }
}`;
    const text = specialize(source, { M: 4 });
    expect(text).toContain('const M: u32 = 4u;');
    expect(text.match(/a_[0-3] \+=/g)).toHaveLength(4);
    expect(text).toContain('a_3 += f32(1u) * x[1u];');
    expect(text).toContain('var a_0: f32; var a_1: f32; var a_2: f32; var a_3: f32;');
  });

  test('leaves the text alone when it is not to unroll', () => {
    expect(specialize('// @unroll\nfor (var i = 0u; i < 2u; i++) { }', {}, false)).toContain('i < 2u');
  });

  test('evaluates constant expressions as WGSL does', () => {
    expect(evaluate('(8u * TY - 1u) / 2u + min(3u, TY) % 2u', { TY: 4 })).toBe(16);
    expect(() => evaluate('t + 1u', {})).toThrow(SyntaxError);
  });
});

describe('workgroup memory', () => {
  const sources = join(import.meta.dirname, '../src');
  const read = (file: string) => readFileSync(join(sources, file), 'utf8');
  // `fill-numbers` is for devices that leave the rest of a vector alone: its chunk kernel is read with the other one.
  const files = readdirSync(sources, { recursive: true, encoding: 'utf8' }).filter(
    (file) => file.endsWith('.wgsl') && !file.endsWith('fill-numbers.wgsl'),
  );

  // WGSL lets a device store the whole vector then, and Metal does: invocations that store its parts at once undo each other's work.
  test.each(files)('%s stores whole vectors', (file) => {
    const text =
      file === join('attention', 'chunk.wgsl') ? read(file) + read(join('attention', 'fill-vectors.wgsl')) : read(file);
    const shared = [...text.matchAll(/var<workgroup> (\w+): (.*vec.*);/g)];
    const parts = shared.flatMap(([, name, type]) => {
      const depth = type.split('array<').length - 1;
      const store = new RegExp(`\\b${name}(?:\\[[^\\]]*\\]){${depth}}(?:\\[|\\.)[^=;{}]*[^=;{}<>!]=[^=].*`, 'g');
      return text.match(store) ?? [];
    });
    expect(parts).toEqual([]);
  });
});

describe('tiles', () => {
  const widths = [...Array(65).keys(), 100, 127, 128, 200, 512].slice(1);

  // What the specification's default limits offer, and more.
  test.each([
    { software: true, bytes: 16_384 },
    { software: false, bytes: 16_384 },
    { software: false, bytes: 32_768 },
    { software: false, bytes: 49_152 },
  ])('fit every device and come out even: %j', (room) => {
    for (const columns of widths) {
      const tile = chooseChunkTile(columns, room);
      const { C, TY, TX, TV4, KP, KZ } = tile;
      expect(chunkBytes(tile)).toBeLessThanOrEqual(room.bytes);
      expect(TY * TX).toBeLessThanOrEqual(256);
      // An invocation loads the factors of one row.
      expect(TY * TX).toBeGreaterThanOrEqual(C);
      // Neighbours load eight features of a row.
      expect(KP % 8).toBe(0);
      // Every invocation loads whole vec4s, of x and y, of S and of z.
      for (const load of [(C * KP) / 4, KP * TV4, KZ * TV4]) expect(load % (TY * TX)).toBe(0);
      expect([C % (4 * TY), C % (4 * TX), C % KZ, KZ % TX, TV4 % TX]).toEqual([0, 0, 0, 0, 0]);
      // Shares of G go through rows of a panel.
      expect(Math.max(KP, KZ)).toBeGreaterThanOrEqual(Math.max(TX, (4 * TY * TX) / C));
      expect(C).toBe(chooseChunkTile(1, room).C);
      for (const features of widths) {
        const states = chooseStateTile(features, columns, room.software);
        expect(stateBytes(states)).toBeLessThanOrEqual(room.bytes);
        const { M4, J4 } = states;
        const invocations = states.TY * states.TX;
        expect([(states.C * M4) % invocations, (states.C * J4) % invocations]).toEqual([0, 0]);
        expect(J4 % states.TX).toBe(0);
        // Shares of U and Z go through rows of a tile.
        expect(invocations / Math.min(M4, J4)).toBeLessThanOrEqual(states.C);
      }
    }
  });
});

const probe = await open({ unroll: true });
const missing = typeof probe === 'string' ? probe : undefined;
if (missing) console.warn(`Validation of unrolled shaders is skipped: ${missing}`);

describe.skipIf(missing !== undefined)('unrolled shaders', () => {
  // Recorded, never submitted: the device validates a shader when it is made; compiling it is another matter.
  test.each([
    ['adapter', [1, 5, 16, 32, 64, 96, 128, 256, 600]],
    ['default', [1, 5, 16, 32, 64, 96, 128, 256]],
  ] as const)('are valid under %s limits', async (limits, widths) => {
    const backend = await open({ unroll: true, limits });
    if (typeof backend === 'string') throw new Error(backend);
    const { device } = backend;
    device.pushErrorScope('validation');
    scope(() => {
      for (const width of widths) {
        const draw = (...shape: number[]) =>
          tensor(backend, new Float32Array(shape.reduce((x, y) => x * y)).fill(0.1), shape);
        const inputs = [draw(1, 40, 1, width), draw(1, 40, 1, width), draw(1, 40, 1, width)] as const;
        for (const mask of ['causal', 'bidirectional'] as const) {
          const { outputs, pullback } = vjp(
            () => [linearAttention(...inputs, { mask, normalize: 'l2', keyWeights: draw(1, 40, 1) }).output],
            inputs,
          );
          for (const gradient of pullback(outputs)) gradient.dispose();
        }
      }
      for (const [a, b] of [
        [false, false],
        [false, true],
        [true, false],
      ]) {
        // By fours, and one by one.
        for (const size of [2048, 2047]) {
          const x = tensor(backend, new Float32Array(size * size), [size, size]);
          matmul(x, x, a, b);
          x.dispose();
        }
      }
    });
    expect((await device.popErrorScope())?.message).toBeUndefined();
    await backend.dispose();
  });
});
