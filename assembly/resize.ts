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
 * The output columns left..right-1 of `height` rows, yRow bytes apart. `rows` holds the addresses of column 0 of the
 * source row of each tap, [height][taps], as rowWeight its weights; columnIndex and columnWeight [width][taps]; columns
 * from..to-1 of the source are read. scale is width / w, or 0 if that is no integer. y is the address of column 0.
 * Reads up to 3 floats after the end of a row.
 */
export function resize(
  rows: usize, rowWeight: usize, columnIndex: usize, columnWeight: usize, scratch: usize, y: usize, yRow: usize,
  height: i32, w: i32, c: i32, from: i32, to: i32, left: i32, right: i32, taps: i32, scale: i32,
): void {
  const pixel: usize = <usize>c << 2;
  const first = scratch + pixel * REACH; // column 0 of the mixed row
  for (let row = 0; row < height; row++) {
    mixRows(rows, rowWeight, first, pixel * from, pixel * to, taps);
    if (scale == 0 || c > 2) gather(first, columnIndex, columnWeight, y, c, left, right, taps);
    else {
      for (let i = 1; i <= REACH; i++) {
        memory.copy(first - pixel * i, first, pixel);
        memory.copy(first + pixel * (w - 1 + i), first + pixel * (w - 1), pixel);
      }
      const start = left / scale;
      inPhases(
        first + pixel * start, columnWeight, y + pixel * (start * scale), (right + scale - 1) / scale - start, c, taps,
        scale,
      );
    }
    rows += <usize>taps << 2;
    rowWeight += <usize>taps << 2;
    y += yRow;
  }
}

/** Bytes at..end-1 of the rows' weighted sum. */
function mixRows(rows: usize, weight: usize, mixed: usize, at: usize, end: usize, taps: i32): void {
  const r0 = load<usize>(rows), r1 = load<usize>(rows, 4);
  const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4);
  if (taps == 2) {
    for (; at < end; at += 16) {
      v128.store(mixed + at, madd(w1, v128.load(r1 + at), f32x4.mul(w0, v128.load(r0 + at))));
    }
    return;
  }
  const r2 = load<usize>(rows, 8), r3 = load<usize>(rows, 12);
  const w2 = v128.load32_splat(weight, 8), w3 = v128.load32_splat(weight, 12);
  for (; at < end; at += 16) {
    const sum = madd(w1, v128.load(r1 + at), f32x4.mul(w0, v128.load(r0 + at)));
    v128.store(mixed + at, madd(w3, v128.load(r3 + at), madd(w2, v128.load(r2 + at), sum)));
  }
}

function gather(
  first: usize, columnIndex: usize, columnWeight: usize, y: usize, c: i32, left: i32, right: i32, taps: i32,
): void {
  const pixel: usize = <usize>c << 2;
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
}

/** `scale` outputs each of `count` source pixels, the first of them at `from`. */
function inPhases(from: usize, weight: usize, y: usize, count: i32, c: i32, taps: i32, scale: i32): void {
  const pixel: usize = <usize>c << 2;
  if (scale == 2 && taps == 4) {
    const doubled = count & ~3;
    double(from - pixel * 2, weight, y, doubled >> (3 - c), c);
    from += pixel * doubled;
    y += pixel * 2 * doubled;
    count -= doubled;
  }
  for (let phase = 0; phase < scale; phase++) {
    // of the first tap: the phase lies left of its source pixel, or right of it
    const shift = 2 * phase + 1 < scale ? -(taps >> 1) : 1 - (taps >> 1);
    runPhase(from + pixel * shift, weight, y + pixel * phase, taps, count, c, scale);
    weight += <usize>taps << 2;
  }
}

/** Both phases of four taps with 1 or 2 channels: `vectors` of the mixed row, from two pixels left on. */
function double(from: usize, weight: usize, y: usize, vectors: i32, c: i32): void {
  const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4);
  const w2 = v128.load32_splat(weight, 8), w3 = v128.load32_splat(weight, 12);
  const u0 = v128.load32_splat(weight, 16), u1 = v128.load32_splat(weight, 20);
  const u2 = v128.load32_splat(weight, 24), u3 = v128.load32_splat(weight, 28);
  const pixel: usize = <usize>c << 2;
  for (; vectors > 0; vectors--) {
    const v1 = v128.load(from + pixel), v2 = v128.load(from + pixel * 2), v3 = v128.load(from + pixel * 3);
    const left = madd(w3, v3, madd(w2, v2, madd(w1, v1, f32x4.mul(w0, v128.load(from)))));
    const right = madd(u3, v128.load(from + pixel * 4), madd(u2, v3, madd(u1, v2, f32x4.mul(u0, v1))));
    if (c == 1) {
      v128.store(y, v128.shuffle<f32>(left, right, 0, 4, 1, 5));
      v128.store(y, v128.shuffle<f32>(left, right, 2, 6, 3, 7), 16);
    } else {
      v128.store(y, v128.shuffle<f64>(left, right, 0, 2));
      v128.store(y, v128.shuffle<f64>(left, right, 1, 3), 16);
    }
    from += 16;
    y += 32;
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
