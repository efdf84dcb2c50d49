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
    let even = zero();
    let odd = even;
    let j = 0;
    for (; j + 8 <= valueWidth; j += 8) {
      const x0 = f32x4.mul(v128.load(at(di, j)), inverse);
      const x1 = f32x4.mul(v128.load(at(di, j), 16), inverse);
      v128.store(at(to, j), x0);
      v128.store(at(to, j), x1, 16);
      even = madd(x0, v128.load(at(oi, j)), even);
      odd = madd(x1, v128.load(at(oi, j), 16), odd);
    }
    for (; j < E; j += 4) {
      const left = valueWidth - j;
      const x = f32x4.mul(loadFirst(at(di, j), left), inverse);
      v128.store(at(to, j), v128.and(x, firstLanes(left)));
      even = madd(x, loadFirst(at(oi, j), left), even);
    }
    const s = f32x4.add(even, odd);
    store<f32>(at(row, i), sumLanes(s));
  }
  fillZero(at(XE, rows * E), (size - rows) * E);
  fillZero(at(row, rows), size - rows);
}
