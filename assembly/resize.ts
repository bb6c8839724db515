// resize: separable interpolation with `taps` taps an axis (2 bilinear, 4 bicubic), clamped to the edge.
// x (h, w, c) -> y (height, width, c). Indices and weights come from core/resize-taps.ts. Reference: src/backends/reference/resize.ts
// Schedule: each output row first mixes its `taps` source rows lane by lane, then gathers along the mixed row.
import { madd } from './simd';

/** One image. rowIndex, rowWeight [height][taps]; columnIndex, columnWeight [width][taps]; `mixed` is scratch for w * c + 4 floats. Reads up to 3 floats after the end of x. */
export function resize(
  x: usize, y: usize, rowIndex: usize, rowWeight: usize, columnIndex: usize, columnWeight: usize, mixed: usize,
  w: i32, c: i32, height: i32, width: i32, taps: i32,
): void {
  const row: usize = <usize>(w * c) << 2;
  for (let oy = 0; oy < height; oy++) {
    for (let i: usize = 0; i < row; i += 16) {
      let sum = f32x4.splat(0);
      for (let tap: usize = 0; tap < <usize>taps; tap++) {
        sum = madd(v128.load32_splat(rowWeight + (tap << 2)), v128.load(x + row * i32.load(rowIndex + (tap << 2)) + i), sum);
      }
      v128.store(mixed + i, sum);
    }
    rowIndex += <usize>taps << 2;
    rowWeight += <usize>taps << 2;
    let index = columnIndex;
    let weight = columnWeight;
    for (let ox = 0; ox < width; ox++) {
      for (let ci = 0; ci < c; ci++) {
        let sum: f32 = 0;
        for (let tap: usize = 0; tap < <usize>taps; tap++) {
          sum += f32.load(weight + (tap << 2)) * f32.load(mixed + (<usize>(i32.load(index + (tap << 2)) * c + ci) << 2));
        }
        f32.store(y, sum);
        y += 4;
      }
      index += <usize>taps << 2;
      weight += <usize>taps << 2;
    }
  }
}
