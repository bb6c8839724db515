// meanGains: gains (a, b) for each source pixel, with which a * clamp(big, 0, 1) + b has the local means of `small`.
// big (n, h*s, w*s, 1)   small (n, h, w, 1)   gains (n, h, w, 2)
//   mean = blur(mean of clamp(big, 0, 1) over s x s pixels), target = blur(small); blur is [1 4 6 4 1] / 16 on both
//   axes, edges replicated
//   mean > target: a = (target + e) / (mean + e), b = 0; else a = (1 - target + e) / (1 - mean + e), b = 1 - a; e =
//   1e-3
// Reference: src/backends/reference/mean-gains.ts
// Schedule: s rows are added up before their columns are; a blur mixes five rows first, then five columns of the mixed
// row.
import { madd } from './simd';

const REACH: i32 = 2; // pixels repeated at both ends of a mixed row

/** Bytes of scratch for source rows of w pixels. */
export function cellMeansScratch(w: i32, scale: i32): i32 {
  return (w * scale + 4) * 4;
}

/**
 * Means of `count` source pixels. `big` is their first output pixel; of its rows, rowBytes apart, as many as scale are
 * read, and up to 3 floats after their end.
 */
export function cellMeans(big: usize, rowBytes: usize, means: usize, scratch: usize, count: i32, scale: i32): void {
  const zero = f32x4.splat(0), one = f32x4.splat(1);
  const factor: f32 = 1 / <f32>(scale * scale);
  for (let at: usize = 0, end = <usize>(count * scale) << 2; at < end; at += 16) {
    let sum = zero;
    for (let row = 0; row < scale; row++) {
      sum = f32x4.add(sum, f32x4.pmin(f32x4.pmax(v128.load(big + rowBytes * row + at), zero), one));
    }
    v128.store(scratch + at, sum);
  }
  if (scale == 2) {
    const quarter = f32x4.splat(factor);
    for (; count >= 4; count -= 4) {
      const left = v128.load(scratch), right = v128.load(scratch, 16);
      const even = v128.shuffle<f32>(left, right, 0, 2, 4, 6), odd = v128.shuffle<f32>(left, right, 1, 3, 5, 7);
      v128.store(means, f32x4.mul(quarter, f32x4.add(even, odd)));
      scratch += 32;
      means += 16;
    }
  }
  for (; count > 0; count--) {
    let sum: f32 = 0;
    for (let i = 0; i < scale; i++) {
      sum += f32.load(scratch);
      scratch += 4;
    }
    f32.store(means, sum * factor);
    means += 4;
  }
}

/** Bytes of scratch for rows of w pixels. */
export function meanGainsScratch(w: i32): i32 {
  return 2 * (w + 2 * REACH + 4) * 4;
}

/**
 * Gains of columns left..right-1. `means` and `targets` hold the addresses of column 0 of five rows, of w pixels each
 * and read up to 3 floats
 * past their end; gains is the address of column 0.
 */
export function meanGains(
  means: usize, targets: usize, gains: usize, scratch: usize, left: i32, right: i32, w: i32,
): void {
  const mixedTargets = scratch + (<usize>(w + 2 * REACH + 4) << 2);
  mix(means, scratch, left, right, w);
  mix(targets, mixedTargets, left, right, w);
  const e = f32x4.splat(1e-3), zero = f32x4.splat(0), one = f32x4.splat(1);
  for (let x = left; x < right; x += 4) {
    const mean = across(scratch + (<usize>x << 2));
    const target = across(mixedTargets + (<usize>x << 2));
    const darker = f32x4.gt(mean, target);
    const upper = v128.bitselect(target, f32x4.sub(one, target), darker);
    const lower = v128.bitselect(mean, f32x4.sub(one, mean), darker);
    const a = f32x4.div(f32x4.add(upper, e), f32x4.add(lower, e));
    const b = v128.bitselect(zero, f32x4.sub(one, a), darker);
    const lanes = right - x;
    const to = gains + (<usize>x << 3);
    const pairs = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    if (lanes >= 2) v128.store(to, pairs);
    else v128.store64_lane(to, pairs, 0);
    const more = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    if (lanes >= 4) v128.store(to, more, 16);
    else if (lanes == 3) v128.store64_lane(to, more, 0, 16);
  }
}

/**
 * Five rows by [1 4 6 4 1] / 16, as far as columns left..right-1 read them, with the edge pixels of whole rows
 * repeated.
 */
function mix(rows: usize, mixed: usize, left: i32, right: i32, w: i32): void {
  const from: i32 = left > REACH ? left - REACH : 0;
  const to: i32 = right + REACH < w ? right + REACH : w;
  const r0 = load<usize>(rows), r1 = load<usize>(rows, 4), r2 = load<usize>(rows, 8);
  const r3 = load<usize>(rows, 12), r4 = load<usize>(rows, 16);
  const w0 = f32x4.splat(1.0 / 16), w1 = f32x4.splat(4.0 / 16), w2 = f32x4.splat(6.0 / 16);
  const first = mixed + (REACH << 2); // of column 0
  for (let at = <usize>from << 2, end = <usize>to << 2; at < end; at += 16) {
    const outer = f32x4.add(v128.load(r0 + at), v128.load(r4 + at));
    const inner = f32x4.add(v128.load(r1 + at), v128.load(r3 + at));
    v128.store(first + at, madd(w0, outer, madd(w1, inner, f32x4.mul(w2, v128.load(r2 + at)))));
  }
  if (from == 0) v128.store64_lane(mixed, v128.load32_splat(first), 0);
  if (to == w) v128.store64_lane(first + (<usize>w << 2), v128.load32_splat(first + (<usize>(w - 1) << 2)), 0);
}

/** Four columns of a mixed row; `at` is two columns before the first. */
// @ts-ignore: decorator
@inline
function across(at: usize): v128 {
  const outer = f32x4.add(v128.load(at), v128.load(at, 16));
  const inner = f32x4.add(v128.load(at, 4), v128.load(at, 12));
  const middle = f32x4.mul(f32x4.splat(6.0 / 16), v128.load(at, 8));
  return madd(f32x4.splat(1.0 / 16), outer, madd(f32x4.splat(4.0 / 16), inner, middle));
}
