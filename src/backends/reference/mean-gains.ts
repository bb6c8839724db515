// meanGains: gains (a, b) for each source pixel, with which a * clamp(big, 0, 1) + b has the local means of `small`.
// big (n, h*s, w*s, 1)   small (n, h, w, 1)   gains (n, h, w, 2)
//   mean = blur(mean of clamp(big, 0, 1) over s x s pixels), target = blur(small); blur is [1 4 6 4 1] / 16 on both
//   axes, edges replicated
//   mean > target: a = (target + e) / (mean + e), b = 0; else a = (1 - target + e) / (1 - mean + e), b = 1 - a; e =
//   1e-3
// Whatever a network makes of a dither, it stays as bright as it was: darker towards 0, brighter towards 1, so that
// nothing is clipped. f64.
import { meanGainsShape } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export const BLUR = [1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16];
export const GAIN_OFFSET = 1e-3;

export function meanGains(big: Tensor, small: Tensor): Tensor {
  const means = blur(cellMeans(big, small.shape));
  const targets = blur(small);
  const data = new Float32Array(means.data.length * 2);
  for (let i = 0; i < means.data.length; i++) data.set(gains(means.data[i], targets.data[i]), 2 * i);
  return { data, shape: meanGainsShape(small.shape) };
}

export function gains(mean: number, target: number): [a: number, b: number] {
  if (mean > target) return [(target + GAIN_OFFSET) / (mean + GAIN_OFFSET), 0];
  const a = (1 - target + GAIN_OFFSET) / (1 - mean + GAIN_OFFSET);
  return [a, 1 - a];
}

/** An f64 plane for each image; what the ops below share has no shape of its own. */
export interface Planes {
  readonly data: Float64Array;
  readonly n: number;
  readonly h: number;
  readonly w: number;
}

/** Of clamp(big, 0, 1), over the s x s pixels of each source pixel. */
export function cellMeans(big: Tensor, [n, h, w]: readonly number[]): Planes {
  const s = big.shape[1] / h;
  const data = new Float64Array(n * h * w);
  for (let i = 0; i < big.data.length; i++) {
    const x = i % (w * s);
    const y = Math.floor(i / (w * s)); // over all images: h * s is a multiple of s
    data[Math.floor(y / s) * w + Math.floor(x / s)] += Math.min(Math.max(big.data[i], 0), 1) / (s * s);
  }
  return { data, n, h, w };
}

export function blur(x: Tensor | Planes): Planes {
  const [n, h, w] = 'shape' in x ? x.shape : [x.n, x.h, x.w];
  const data = new Float64Array(n * h * w);
  const clamp = (i: number, size: number): number => Math.min(Math.max(i, 0), size - 1);
  for (let i = 0; i < data.length; i++) {
    const ox = i % w;
    const oy = Math.floor(i / w) % h;
    const first = i - (oy * w + ox);
    for (let ky = 0; ky < 5; ky++) {
      for (let kx = 0; kx < 5; kx++)
        data[i] += BLUR[ky] * BLUR[kx] * x.data[first + clamp(oy + ky - 2, h) * w + clamp(ox + kx - 2, w)];
    }
  }
  return { data, n, h, w };
}
