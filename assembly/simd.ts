// What the ops share: fused multiply-add where the build has it, exp on four lanes, and stores of less than a vector.

/** a * b + c: one rounding in the relaxed build (on engines that fuse), two in the plain one. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/**
 * exp on four lanes: 2^n * p(r), r = x - n ln 2 in two parts, p of degree 6 (Cephes expf); at most 1 ulp on a sweep of
 * every 997th float in -87.3..88.3, with and without fused madd. Inputs are clamped to -87.33..88.37, so that results are neither infinite nor denormal.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  x = f32x4.min(f32x4.max(x, f32x4.splat(-87.33)), f32x4.splat(88.37));
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(1.44269504)));
  let r = madd(n, f32x4.splat(-0.693359375), x);
  r = madd(n, f32x4.splat(2.12194440e-4), r);
  let p = madd(f32x4.splat(1.9875691500e-4), r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1));
  return f32x4.mul(p, i32x4.shl(i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127)), 23));
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

/** Stores the first `lanes` (1..4) lanes of `value`. */
// @ts-ignore: decorator
@inline
export function storeLanes(target: usize, value: v128, lanes: i32): void {
  if (lanes >= 4) { v128.store(target, value); return; }
  f32.store(target, f32x4.extract_lane(value, 0));
  if (lanes > 1) f32.store(target, f32x4.extract_lane(value, 1), 4);
  if (lanes > 2) f32.store(target, f32x4.extract_lane(value, 2), 8);
}
