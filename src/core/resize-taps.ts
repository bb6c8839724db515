// Which source positions an output position of a resized axis mixes, and with which weights: half-pixel centres, edges
// clamped.
import type { ResizeMode } from './shapes.js';

export interface AxisTaps {
  readonly taps: number; // 2 (bilinear) or 4 (bicubic)
  readonly index: Int32Array; // [outSize][taps], clamped to 0..size-1
  readonly weight: Float64Array; // [outSize][taps], each row sums to 1
}

/**
 * Source: u = (o + 0.5) * size/outSize - 0.5 (torch, align_corners=False), computed as an exact ratio of integers, so
 * that equal phases have equal weights wherever a tile begins. Cubic convolution: Keys 1981 with parameter a (-0.5
 * MATLAB, PIL; -0.75 torch).
 */
export function axisTaps(size: number, outSize: number, mode: ResizeMode, cubicA: number): AxisTaps {
  const taps = mode === 'bilinear' ? 2 : 4;
  const index = new Int32Array(outSize * taps);
  const weight = new Float64Array(outSize * taps);
  const denominator = 2 * outSize;
  for (let o = 0; o < outSize; o++) {
    const numerator = (2 * o + 1) * size - outSize;
    const whole = Math.floor(numerator / denominator);
    const fraction = (numerator - whole * denominator) / denominator;
    const first = whole - taps / 2 + 1;
    for (let tap = 0; tap < taps; tap++) {
      const distance = Math.abs(fraction - (tap - taps / 2 + 1));
      index[o * taps + tap] = Math.min(Math.max(first + tap, 0), size - 1);
      weight[o * taps + tap] = mode === 'bilinear' ? 1 - distance : cubic(distance, cubicA);
    }
  }
  return { taps, index, weight };
}

/** Keys' cubic convolution at the distance t >= 0. */
export function cubic(t: number, a: number): number {
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return 0;
}
