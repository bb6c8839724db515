// normalizeKernels: over the kUp^2 taps of each group and sub-pixel: softmax exp(x-max)/sum, sigmoid 1/(1+exp(-x)),
// or sigmoid-normalized sigmoid/(sum of sigmoids).
// rows (groups of [taps][subs] floats, subs = s^2) -> the same.
// Reference: src/backends/reference/normalize-kernels.ts. CARAFE, arXiv:1905.02188, section 3.2.
// Schedule: four sub-pixels at a time, vertically over the taps: with s = 2 no lane is idle and nothing is shuffled.
import { SIGMOID, SOFTMAX } from '../src/backends/wasm/constants';
import { exp, sigmoid, storeLanes } from './simd';

/** `groups` counts all [taps][subs] blocks: n * h * w * groups. Reads up to 3 floats after the end of x. */
export function normalizeKernels(x: usize, y: usize, groups: i32, taps: i32, subs: i32, normalizer: i32): void {
  const tapBytes: usize = <usize>subs << 2;
  const groupBytes = tapBytes * taps;
  for (let i = 0; i < groups; i++) {
    for (let sub = 0; sub < subs; sub += 4) {
      const offset: usize = <usize>sub << 2;
      if (normalizer == SOFTMAX) softmax(x + offset, y + offset, taps, tapBytes, subs - sub);
      else if (normalizer == SIGMOID) sigmoids(x + offset, y + offset, taps, tapBytes, subs - sub);
      else normalizedSigmoids(x + offset, y + offset, taps, tapBytes, subs - sub);
    }
    x += groupBytes;
    y += groupBytes;
  }
}

function maximum(x: usize, taps: i32, tapBytes: usize): v128 {
  let max = v128.load(x);
  for (let tap = 1; tap < taps; tap++) {
    x += tapBytes;
    max = f32x4.pmax(max, v128.load(x));
  }
  return max;
}

/** Multiplies what was stored by 1 / sum. */
function scale(y: usize, taps: i32, tapBytes: usize, lanes: i32, sum: v128): void {
  const factor = f32x4.div(f32x4.splat(1), sum);
  for (let tap = 0; tap < taps; tap++) {
    storeLanes(y, f32x4.mul(v128.load(y), factor), lanes);
    y += tapBytes;
  }
}

function softmax(x: usize, y: usize, taps: i32, tapBytes: usize, lanes: i32): void {
  const max = maximum(x, taps, tapBytes);
  let sum = f32x4.splat(0);
  let to = y;
  for (let tap = 0; tap < taps; tap++) {
    const e = exp(f32x4.sub(v128.load(x), max));
    sum = f32x4.add(sum, e);
    storeLanes(to, e, lanes);
    x += tapBytes;
    to += tapBytes;
  }
  scale(y, taps, tapBytes, lanes, sum);
}

function sigmoids(x: usize, y: usize, taps: i32, tapBytes: usize, lanes: i32): void {
  for (let tap = 0; tap < taps; tap++) {
    storeLanes(y, sigmoid(v128.load(x)), lanes);
    x += tapBytes;
    y += tapBytes;
  }
}

/**
 * All sigmoids times exp(-m), m = min(0, max x): the quotient is the same, and taps that are all very negative do not
 * underflow.
 */
function normalizedSigmoids(x: usize, y: usize, taps: i32, tapBytes: usize, lanes: i32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const m = f32x4.pmin(zero, maximum(x, taps, tapBytes));
  let sum = zero;
  let to = y;
  for (let tap = 0; tap < taps; tap++) {
    const v = v128.load(x);
    const t = exp(f32x4.neg(f32x4.abs(v)));
    const numerator = v128.bitselect(exp(f32x4.sub(v, m)), one, f32x4.lt(v, zero));
    const e = f32x4.div(numerator, f32x4.add(one, t));
    sum = f32x4.add(sum, e);
    storeLanes(to, e, lanes);
    x += tapBytes;
    to += tapBytes;
  }
  scale(y, taps, tapBytes, lanes, sum);
}
