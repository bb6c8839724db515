// averagePool: means of windows. x (n, h, w, c) -> (n, height, width, c).
// Reference: src/backends/reference/average-pool.ts
// Schedule: a window's sum grows by one of its rows at a time, c floats in place; the division is arithmetic's.
import { storeLanes } from './simd';

/** sum (c) += `pixels` neighbouring pixels (c each), or = with `first`. Reads up to 3 floats past the ends. */
export function addPixels(x: usize, sum: usize, pixels: i32, c: i32, first: i32): void {
  const pixel: usize = <usize>c << 2;
  for (let ci = 0; ci < c; ci += 4) {
    const offset: usize = <usize>ci << 2;
    let v = first ? f32x4.splat(0) : v128.load(sum + offset);
    let at = x + offset;
    for (let i = 0; i < pixels; i++) {
      v = f32x4.add(v, v128.load(at));
      at += pixel;
    }
    storeLanes(sum + offset, v, c - ci);
  }
}
