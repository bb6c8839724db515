// activationGradient: gradient * activation'(sums), of `count` floats. relu is leaky-relu of slope 0.
// Reference: src/backends/reference/activation-gradient.ts.
import { HARDSWISH, SILU } from '../src/backends/wasm/constants';
import { madd, sigmoid } from './simd';

/** Reads and writes up to 3 floats after the end. */
export function activationGradient(sums: usize, g: usize, y: usize, count: i32, curve: i32, slope: f32): void {
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  const bytes: usize = <usize>count << 2;
  for (let i: usize = 0; i < bytes; i += 16) {
    const v = v128.load(sums + i);
    let derivative: v128;
    if (curve == SILU) {
      const s = sigmoid(v);
      derivative = f32x4.mul(s, madd(v, f32x4.sub(one, s), one));
    } else if (curve == HARDSWISH) {
      const line = madd(v, f32x4.splat(<f32>(1.0 / 3.0)), f32x4.splat(0.5));
      derivative = v128.bitselect(zero, line, f32x4.le(v, f32x4.splat(-3)));
      derivative = v128.bitselect(one, derivative, f32x4.ge(v, f32x4.splat(3)));
    } else {
      derivative = v128.bitselect(one, f32x4.splat(slope), f32x4.gt(v, zero));
    }
    v128.store(y + i, f32x4.mul(v128.load(g + i), derivative));
  }
}
