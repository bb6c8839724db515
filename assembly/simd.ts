// What the ops share: fused multiply-add where the build has it, exp on four lanes, and stores of less than a vector.

/** a * b + c: one rounding in the relaxed build (on engines that fuse), two in the plain one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

// Constants of exp, four lanes each. In memory, because V8 builds a constant in the code from four instructions at each
// use.
const EXP = memory.data<f32>([
  1.44269504, 1.44269504, 1.44269504, 1.44269504, // 1 / ln 2
  -126, -126, -126, -126,
  // 1.5 * 2^23 + 127: a sum with it is rounded to an integer n, and its low bits are the exponent of 2^n
  12583039, 12583039, 12583039, 12583039,
  1.326472714e-3, 1.326472714e-3, 1.326472714e-3, 1.326472714e-3,
  9.67151264e-3, 9.67151264e-3, 9.67151264e-3, 9.67151264e-3,
  5.550733743e-2, 5.550733743e-2, 5.550733743e-2, 5.550733743e-2,
  2.402224209e-1, 2.402224209e-1, 2.402224209e-1, 2.402224209e-1,
  6.931469776e-1, 6.931469776e-1, 6.931469776e-1, 6.931469776e-1,
  1, 1, 1, 1,
], 16);

/**
 * exp(x), x <= 0, on four lanes. Within (2 + |x|) ulp: 1.6 of the polynomial, the rest is x / ln 2 rounded. Below -87.3
 * it stays 2^-126.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  return exp2(f32x4.mul(x, v128.load(EXP)));
}

/**
 * 2^t, t <= 0: 2^(n + f) with n an integer and |f| <= 1/2, 2^f by a minimax polynomial of degree 5 with p(0) = 1. A NaN
 * stays one. pmin and pmax are one instruction, min and max eight.
 */
// @ts-ignore: decorator
@inline
function exp2(x: v128): v128 {
  const t = f32x4.pmax(x, v128.load(EXP, 16));
  const rounder = v128.load(EXP, 32);
  const n = f32x4.add(t, rounder);
  const f = f32x4.sub(t, f32x4.sub(n, rounder));
  let p = madd(v128.load(EXP, 48), f, v128.load(EXP, 64));
  p = madd(p, f, v128.load(EXP, 80));
  p = madd(p, f, v128.load(EXP, 96));
  p = madd(p, f, v128.load(EXP, 112));
  p = madd(p, f, v128.load(EXP, 128));
  return f32x4.mul(p, i32x4.shl(n, 23));
}

/** 1 / (1 + exp(-x)) on four lanes, without overflow on either side: with t = exp(-|x|), 1/(1+t) or t/(1+t). */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const t = exp(f32x4.neg(f32x4.abs(x)));
  const one = f32x4.splat(1);
  const numerator = v128.bitselect(t, one, f32x4.lt(x, f32x4.splat(0)));
  return f32x4.div(numerator, f32x4.add(one, t));
}

/** v >= 0 ? v : v * slope, for slopes up to 1. */
// @ts-ignore: decorator
@inline
export function leaky(v: v128, slope: v128): v128 {
  return f32x4.pmax(v, f32x4.mul(v, slope));
}

/**
 * Stores the first `lanes` (1..4) lanes as they are, also bytes that look like a NaN. A call: for where rows are few.
 */
export function storeSome(target: usize, value: v128, lanes: i32): void {
  if (lanes >= 4) { v128.store(target, value); return; }
  v128.store32_lane(target, value, 0);
  if (lanes > 1) v128.store32_lane(target, value, 1, 4);
  if (lanes > 2) v128.store32_lane(target, value, 2, 8);
}

/** Stores the first `lanes` (1..4) lanes of `value`. */
// @ts-ignore: decorator
@inline
export function storeLanes(target: usize, value: v128, lanes: i32): void {
  if (lanes >= 4) { v128.store(target, value); return; }
  f32.store(target, f32x4.extract_lane(value, 0));
  if (lanes > 1) f32.store(target, f32x4.extract_lane(value, 1), 4);
  if (lanes > 2) f32.store(target, f32x4.extract_lane(value, 2), 8);
}
