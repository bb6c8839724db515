// resize: separable interpolation with `taps` taps an axis (2 bilinear, 4 bicubic), clamped to the edge.
// x (h, w, c) -> y (height, width, c). Indices and weights come from core/resize-taps.ts. Reference:
// src/backends/reference/resize.ts
// Schedule: an output row first mixes its `taps` source rows lane by lane, with its edge pixels repeated, then gathers
// along the mixed row. Where width is a multiple of w, the taps of every s-th output pixel are one run apart from the
// next one's: four floats at a time.
import { madd } from './simd';

const REACH: i32 = 2; // pixels repeated at both ends of the mixed row

/** Bytes of scratch: the mixed row with its repeated pixels, in whole vectors. */
export function resizeScratch(w: i32, c: i32): usize {
  return <usize>((w + 2 * REACH) * c + 4) << 2;
}

/**
 * The output columns left..right-1 of one row. `rows` holds the addresses of column 0 of the source row of each tap;
 * columnIndex and columnWeight [width][taps]; columns from..to-1 of the source are read. scale is width / w, or 0 if
 * that is no integer. y is the address of column 0. Reads up to 3 floats after the end of a row.
 */
export function resize(
  rows: usize, rowWeight: usize, columnIndex: usize, columnWeight: usize, scratch: usize, y: usize,
  w: i32, c: i32, from: i32, to: i32, left: i32, right: i32, taps: i32, scale: i32,
): void {
  const pixel: usize = <usize>c << 2;
  const first = scratch + pixel * REACH; // column 0 of the mixed row
  for (let at = pixel * from, end = pixel * to; at < end; at += 16) {
    let sum = f32x4.splat(0);
    for (let tap: usize = 0; tap < <usize>taps; tap++) {
      sum = madd(v128.load32_splat(rowWeight + (tap << 2)), v128.load(load<usize>(rows + (tap << 2)) + at), sum);
    }
    v128.store(first + at, sum);
  }
  if (scale == 0 || c > 2) {
    for (let ox = left; ox < right; ox++) {
      for (let ci = 0; ci < c; ci++) {
        let sum: f32 = 0;
        for (let tap = 0; tap < taps; tap++) {
          const at: usize = <usize>(ox * taps + tap) << 2;
          const source = first + pixel * i32.load(columnIndex + at) + (<usize>ci << 2);
          sum += f32.load(columnWeight + at) * f32.load(source);
        }
        f32.store(y + pixel * ox + (<usize>ci << 2), sum);
      }
    }
    return;
  }
  for (let i = 1; i <= REACH; i++) {
    memory.copy(first - pixel * i, first, pixel);
    memory.copy(first + pixel * (w - 1 + i), first + pixel * (w - 1), pixel);
  }
  const start = left / scale;
  const count = (right + scale - 1) / scale - start;
  for (let phase = 0; phase < scale; phase++) {
    const weight = columnWeight + (<usize>(phase * taps) << 2);
    // of the first tap: the phase lies left of its source pixel, or right of it
    const shift = 2 * phase + 1 < scale ? -(taps >> 1) : 1 - (taps >> 1);
    runPhase(first + pixel * (start + shift), weight, y + pixel * (start * scale + phase), taps, count, c, scale);
  }
}

/** One of the `scale` phases of `count` source pixels, with 1 or 2 channels. */
function runPhase(from: usize, weight: usize, y: usize, taps: i32, count: i32, c: i32, scale: i32): void {
  const pixel: usize = <usize>c << 2;
  const step: usize = pixel * scale;
  const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4);
  const w2 = taps > 2 ? v128.load32_splat(weight, 8) : f32x4.splat(0);
  const w3 = taps > 2 ? v128.load32_splat(weight, 12) : f32x4.splat(0);
  const perVector = 4 / c;
  for (let i = 0; i < count; i += perVector) {
    let sum = madd(w1, v128.load(from + pixel), f32x4.mul(w0, v128.load(from)));
    if (taps > 2) sum = madd(w3, v128.load(from + pixel * 3), madd(w2, v128.load(from + pixel * 2), sum));
    if (c == 1) {
      v128.store32_lane(y, sum, 0);
      if (count - i > 1) v128.store32_lane(y + step, sum, 1);
      if (count - i > 2) v128.store32_lane(y + step * 2, sum, 2);
      if (count - i > 3) v128.store32_lane(y + step * 3, sum, 3);
      y += step << 2;
    } else {
      v128.store64_lane(y, sum, 0);
      if (count - i > 1) v128.store64_lane(y + step, sum, 1);
      y += step << 1;
    }
    from += 16;
  }
}
