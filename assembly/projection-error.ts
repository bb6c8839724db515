// projectionError: by how much an enlargement, shrunk again, misses its source.
// big (n, h*s, w*s, 1)   gains (n, h, w, 2)   small (n, h, w, 1)   errors (n, h, w, 1)
//   errors = strength * clamp(small - shrunk, -0.02, 0.02), shrunk = bicubic (a = -0.5, antialiasing) of
//   gain_a * clamp(big, 0, 1) + gain_b; the s x s pixels of the edges' source pixels are repeated
// Reference: src/backends/reference/projection-error.ts
// Schedule: the gains are applied once; then 4 s rows are mixed, four at a time, and of the mixed row 4 s pixels for
// each result.
import { adjusted, spread, spreadBytes } from './pixels';
import { madd, storeSome } from './simd';

const REACH: i32 = 2; // source pixels repeated at both ends of a mixed row

/** Bytes of scratch for rows of `width` pixels of the enlargement. */
export function applyGainsScratch(width: i32, s: i32): i32 {
  return 2 * <i32>spreadBytes(width, s);
}

/**
 * gain * clamp(value, 0, 1) + offset of `width` pixels of each of the s rows of a source row, `..Row` bytes apart; the
 * gains are of their source pixels. Reads up to 3 pixels past the end of a row.
 */
export function applyGains(
  big: usize, bigRow: usize, gains: usize, y: usize, yRow: usize, scratch: usize, width: i32, s: i32,
): void {
  const step = spreadBytes(width, s);
  spread(gains, scratch, width / s, 2, s);
  spread(gains + 4, scratch + step, width / s, 2, s);
  for (let row = 0; row < s; row++) {
    for (let x = 0; x < width; x += 4) {
      const at = <usize>x << 2;
      storeSome(y + at, adjusted(big + at, scratch + at, scratch + step + at), width - x);
    }
    big += bigRow;
    y += yRow;
  }
}

/** Bytes of scratch for source rows of w pixels. */
export function projectionErrorScratch(w: i32, s: i32): i32 {
  return ((w + 2 * REACH) * s + 4) * 4;
}

/**
 * Errors of columns left..right-1. `rows` holds the addresses of column 0 of 4 s rows of w * s pixels, read up to 3
 * floats past their end; weights are those of the 4 s rows, and columns, from `before` pixels before a source pixel's.
 * small and errors are the addresses of column 0.
 */
export function projectionError(
  rows: usize, weights: usize, small: usize, errors: usize, scratch: usize,
  left: i32, right: i32, w: i32, s: i32, before: i32, strength: f32,
): void {
  const cell = <usize>s << 2; // bytes of the s pixels of a source pixel; also the taps
  const first = scratch + cell * REACH; // column 0 of the mixed row
  const from = cell * max(left - REACH, 0), to = cell * min(right + REACH, w);
  for (let tap: usize = 0; tap < cell; tap += 4) {
    const r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8), r3 = load<usize>(rows, 12);
    const weight = weights + (tap << 2);
    const w0 = v128.load32_splat(weight), w1 = v128.load32_splat(weight, 4);
    const w2 = v128.load32_splat(weight, 8), w3 = v128.load32_splat(weight, 12);
    for (let at = from; at < to; at += 16) {
      let sum = f32x4.mul(w0, v128.load(r0 + at));
      if (tap > 0) sum = f32x4.add(sum, v128.load(first + at));
      sum = madd(w1, v128.load(r1 + at), sum);
      v128.store(first + at, madd(w3, v128.load(r3 + at), madd(w2, v128.load(r2 + at), sum)));
    }
    rows += 16;
  }
  const end = first + cell * w;
  for (let i = 1; i <= REACH; i++) {
    if (from == 0) memory.copy(first - cell * i, first, cell);
    if (to == cell * w) memory.copy(end + cell * (i - 1), end - cell, cell);
  }
  let at = first + cell * left - (<usize>before << 2);
  for (let x = <usize>left << 2, last = <usize>right << 2; x < last; x += 4) {
    let sum = f32x4.splat(0);
    for (let tap: usize = 0; tap < cell << 2; tap += 16) sum = madd(v128.load(weights + tap), v128.load(at + tap), sum);
    sum = f32x4.add(sum, v128.shuffle<f32>(sum, sum, 2, 3, 0, 1));
    const shrunk = f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1);
    f32.store(errors + x, strength * min<f32>(max<f32>(f32.load(small + x) - shrunk, -0.02), 0.02));
    at += cell;
  }
}
