import { ValueError } from '@linattn/math';
import type { Labelled } from '@linattn/nn';
import { Draws } from './draws.ts';

// Pathfinder (Linsley et al. 2018), drawn anew by its description: dashed curves on a dark square, two of them long; two discs mark
// either both ends of one long curve (label 1) or one end of each (label 0). Short curves distract. Local pixels look alike in both.

type PixelSet = Set<number>;

interface Curve {
  readonly pixels: PixelSet;
  /** First and last pixel, as row · size + column. */
  readonly ends: readonly [number, number];
}

export interface PathfinderOptions {
  readonly seed: number;
  readonly count: number;
  /** Side of the image. Default 32. */
  readonly size?: number;
  /** Dashes of the long curves. Default 14. */
  readonly dashes?: number;
  /** Short curves, with a third of the dashes. Default 3; fewer where no more fit. */
  readonly distractors?: number;
}

/** Pixels from one dash's start to the next one's: two lit, one dark. */
const pitch = 3;
/** Largest change of direction from dash to dash. */
const largestTurn = 0.8;
/** Directions tried for a dash before its curve is given up. */
const turnsTried = 12;
/** Pixels that stay dark along the border. */
const margin = 2;
/** Other curves keep this many pixels away, more than dashes of one curve are apart. */
const clearance = 3;

const disc = 255;
const line = 170;

/**
 * Images [size · size], row by row: 0 where dark, 255 discs, 170 curves.
 * @throws ValueError for curves that do not fit the image.
 */
export function generatePathfinder(options: PathfinderOptions): Labelled[] {
  const { seed, count, size = 32, dashes = 14, distractors = 3 } = options;
  const draws = new Draws(seed, size);
  return Array.from({ length: count }, () => {
    for (let tries = 0; tries < 1000; tries++) {
      const image = drawImage(draws, size, dashes, distractors);
      if (image) return image;
    }
    throw new ValueError('dashes', dashes, `curves of which two fit ${size} x ${size} pixels`);
  });
}

function drawImage(draws: Draws, size: number, dashes: number, distractors: number): Labelled | undefined {
  const taken: PixelSet = new Set();
  const first = growCurve(draws, size, dashes, taken);
  if (!first) return undefined;
  block(taken, first.pixels, size);
  const second = growCurve(draws, size, dashes, taken);
  if (!second) return undefined;
  block(taken, second.pixels, size);
  const curves = [first, second];
  for (let i = 0; i < distractors; i++) {
    const short = growCurve(draws, size, Math.max(2, Math.round(dashes / 3)), taken);
    if (!short) continue;
    block(taken, short.pixels, size);
    curves.push(short);
  }
  const label = draws.below(2);
  const marked = label === 1 ? first.ends : [first.ends[draws.below(2)], second.ends[draws.below(2)]];
  const tokens = new Uint8Array(size * size);
  for (const { pixels } of curves) for (const at of pixels) tokens[at] = line;
  for (const at of marked) for (const near of around(at, 1, size)) tokens[near] = disc;
  return { tokens, label };
}

/** A curve that stays clear of what is taken and of itself; undefined when some tries did not find one. */
function growCurve(draws: Draws, size: number, dashes: number, taken: PixelSet): Curve | undefined {
  for (let tries = 0; tries < 60; tries++) {
    const curve = tryCurve(draws, size, dashes, taken);
    if (curve) return curve;
  }
  return undefined;
}

function tryCurve(draws: Draws, size: number, dashes: number, taken: PixelSet): Curve | undefined {
  let x = margin + draws.uniform() * (size - 2 * margin);
  let y = margin + draws.uniform() * (size - 2 * margin);
  let heading = 2 * Math.PI * draws.uniform();
  const own: number[][] = [];
  for (let dash = 0; dash < dashes; dash++) {
    // Its own last dashes may be near.
    const earlier = own.slice(0, -2).flat();
    const free = (at: number) => !taken.has(at) && earlier.every((other) => distance(at, other, size) > clearance);
    let lit: number[] | undefined;
    for (let turns = 0; turns < turnsTried && !lit; turns++) {
      const turned = heading + largestTurn * (2 * draws.uniform() - 1);
      lit = dashAt(x, y, turned, size);
      if (lit?.every(free)) heading = turned;
      else lit = undefined;
    }
    if (!lit) return undefined;
    own.push(lit);
    x += pitch * Math.cos(heading);
    y += pitch * Math.sin(heading);
  }
  const pixels = own.flat();
  return { pixels: new Set(pixels), ends: [pixels[0], pixels.at(-1)!] };
}

/** The two pixels of a dash; undefined where it leaves the image. */
function dashAt(x: number, y: number, heading: number, size: number): number[] | undefined {
  const lit: number[] = [];
  for (const step of [0, 1]) {
    const [column, row] = [Math.floor(x + step * Math.cos(heading)), Math.floor(y + step * Math.sin(heading))];
    if (Math.min(row, column) < margin || Math.max(row, column) >= size - margin) return undefined;
    lit.push(row * size + column);
  }
  return lit;
}

/** Larger of the distances in rows and columns. */
const distance = (p: number, q: number, size: number): number =>
  Math.max(Math.abs(Math.floor(p / size) - Math.floor(q / size)), Math.abs((p % size) - (q % size)));

function around(at: number, radius: number, size: number): number[] {
  const [row, column] = [Math.floor(at / size), at % size];
  const near: number[] = [];
  for (let y = Math.max(0, row - radius); y <= Math.min(size - 1, row + radius); y++) {
    for (let x = Math.max(0, column - radius); x <= Math.min(size - 1, column + radius); x++) near.push(y * size + x);
  }
  return near;
}

function block(taken: PixelSet, pixels: PixelSet, size: number): void {
  for (const at of pixels) for (const near of around(at, clearance, size)) taken.add(near);
}
