import { at } from '../lib/args';
import { count, D, E, order, S, S2, setCount, u, valueWidth, width, z, z2 } from './head';
import { loadRows, storeRows } from './rows';

// The state tensor [1 + D (+ D²), D_v + 1] against the padded parts in scratch: row 0 is [u, count], rows from 1 on [S, z].

/** Reads a state; with `transposed` its matrices are laid out [E, D]. */
export function loadState(source: usize, transposed: bool): void {
  const columns = valueWidth + 1;
  for (let j = 0; j < valueWidth; j++) store<f32>(at(u, j), load<f32>(at(source, j)));
  setCount(load<f32>(at(source, valueWidth)));
  loadRowsOfState(at(source, columns), S, z, transposed);
  if (order == 1) return;
  for (let i = 0; i < width; i++) {
    loadRowsOfState(at(source, (1 + width + i * width) * columns), at(S2, i * D * E), at(z2, i * D), transposed);
  }
}

function loadRowsOfState(source: usize, matrix: usize, last: usize, transposed: bool): void {
  const columns = valueWidth + 1;
  if (!transposed) loadRows(source, <usize>columns << 2, width, valueWidth, E, width, 0, 1, matrix);
  for (let d = 0; d < width; d++) {
    const from = at(source, d * columns);
    for (let j = 0; transposed && j < valueWidth; j++) store<f32>(at(matrix, j * D + d), load<f32>(at(from, j)));
    store<f32>(at(last, d), load<f32>(at(from, valueWidth)));
  }
}

/** Writes a state. */
export function storeState(target: usize, transposed: bool): void {
  const columns = valueWidth + 1;
  memory.copy(target, u, <usize>valueWidth << 2);
  store<f32>(at(target, valueWidth), <f32>count());
  storeRowsOfState(at(target, columns), S, z, transposed);
  if (order == 1) return;
  for (let i = 0; i < width; i++) {
    storeRowsOfState(at(target, (1 + width + i * width) * columns), at(S2, i * D * E), at(z2, i * D), transposed);
  }
}

function storeRowsOfState(target: usize, matrix: usize, last: usize, transposed: bool): void {
  const columns = valueWidth + 1;
  if (!transposed) storeRows(matrix, E, width, valueWidth, target, <usize>columns << 2);
  for (let d = 0; d < width; d++) {
    const to = at(target, d * columns);
    for (let j = 0; transposed && j < valueWidth; j++) store<f32>(at(to, j), load<f32>(at(matrix, j * D + d)));
    store<f32>(at(to, valueWidth), load<f32>(at(last, d)));
  }
}
