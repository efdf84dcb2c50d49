import { at, ptr } from '../lib/args';
import { fillZero, firstLanes, loadFirst, madd, sumLanes, zero } from '../lib/simd';
import { denominatorAt, E, outputAt, row, strideE, strideG, valueWidth, XE } from './head';

/** XE = Ohat = dO / g and row = delta = o · Ohat, of `rows` queries from n on. args: o, g, dO at 17, 18, 19 */
export function loadOutputGradients(n: i32, rows: i32, size: i32, args: usize): void {
  const o = outputAt(ptr(args, 17), n);
  const g = denominatorAt(ptr(args, 18), n);
  const dO = outputAt(ptr(args, 19), n);
  for (let i = 0; i < rows; i++) {
    const inverse = f32x4.splat(1 / load<f32>(g + <usize>i * strideG));
    const oi = o + <usize>i * strideE;
    const di = dO + <usize>i * strideE;
    const to = at(XE, i * E);
    let s = zero();
    for (let j = 0; j < E; j += 4) {
      const left = valueWidth - j;
      const x = v128.and(f32x4.mul(loadFirst(at(di, j), left), inverse), firstLanes(left));
      v128.store(at(to, j), x);
      s = madd(x, loadFirst(at(oi, j), left), s);
    }
    store<f32>(at(row, i), sumLanes(s));
  }
  fillZero(at(XE, rows * E), (size - rows) * E);
  fillZero(at(row, rows), size - rows);
}
