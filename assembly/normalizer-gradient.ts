// normalizerGradient: softmax k * (g - sum(g * k)); sigmoid k * (1 - k) * g; sigmoid-normalized
// k * (1 - sigmoid(v)) * (g - sum(g * k)); sums over the taps. Groups of [taps][subs] floats, subs = s^2.
// Reference: src/backends/reference/normalizer-gradient.ts. Schedule: four sub-pixels at a time, down the taps.
import { SIGMOID, SIGMOID_NORMALIZED } from '../src/backends/wasm/constants';
import { madd, sigmoid, storeLanes } from './simd';

/** `groups` counts all [taps][subs] blocks. Reads up to 3 floats after the end of v, k and g. */
export function normalizerGradient(
  v: usize, k: usize, g: usize, y: usize, groups: i32, taps: i32, subs: i32, normalizer: i32,
): void {
  const tapBytes: usize = <usize>subs << 2;
  const groupBytes = tapBytes * taps;
  const one = f32x4.splat(1);
  for (let i = 0; i < groups; i++) {
    for (let sub = 0; sub < subs; sub += 4) {
      let sum = f32x4.splat(0);
      let at: usize = <usize>i * groupBytes + (<usize>sub << 2);
      const first = at;
      if (normalizer != SIGMOID) {
        for (let tap = 0; tap < taps; tap++) {
          sum = madd(v128.load(g + at), v128.load(k + at), sum);
          at += tapBytes;
        }
      }
      at = first;
      for (let tap = 0; tap < taps; tap++) {
        const kernel = v128.load(k + at);
        let value = f32x4.mul(kernel, f32x4.sub(v128.load(g + at), sum));
        if (normalizer == SIGMOID) value = f32x4.mul(value, f32x4.sub(one, kernel));
        if (normalizer == SIGMOID_NORMALIZED) value = f32x4.mul(value, sigmoid(f32x4.neg(v128.load(v + at))));
        storeLanes(y + at, value, subs - sub);
        at += tapBytes;
      }
    }
  }
}
