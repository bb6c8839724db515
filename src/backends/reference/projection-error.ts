// projectionError: by how much an enlargement, shrunk again, misses its source.
// big (n, h*s, w*s, 1)   gains (n, h, w, 2)   small (n, h, w, 1)   errors (n, h, w, 1)
//   errors = strength * clamp(small - shrunk, -0.02, 0.02), shrunk = bicubic (a = -0.5, antialiasing) of
//   gain_a * clamp(big, 0, 1) + gain_b; the s x s pixels of the edges' source pixels are repeated
// Where they are larger, as with dithers, adding them would clip and so change local means.
// Adding the errors, enlarged, is a step of iterative back-projection: Irani and Peleg, Improving Resolution by Image
// Registration, CVGIP 53, 1991. Shrunk as MATLAB's imresize does but for the edges. f64.
import { type ShrinkTaps, shrinkTaps } from '../../core/resize-taps.js';
import type { Shape, Tensor } from '../../core/tensor.js';
import { applyGains } from './mean-gains.js';

const LARGEST = 0.02;

export function projectionError(big: Tensor, gains: Tensor, small: Tensor, strength: number): Tensor {
  const taps = shrinkTaps(big.shape[1] / small.shape[1]);
  const shrunk = shrink(applyGains(big, gains), small.shape, taps);
  const data = small.data.map((v, i) => strength * Math.min(Math.max(v - shrunk[i], -LARGEST), LARGEST));
  return { data, shape: small.shape };
}

/** (n, h*s, w*s) -> (n, h, w), by the taps of s. */
export function shrink(big: ArrayLike<number>, [n, h, w]: Shape, { before, weight }: ShrinkTaps): Float64Array {
  const s = weight.length / 4;
  const sums = new Float64Array(n * h * w);
  // What tap k of row or column `at` of the source reads: of the s pixels that belong to an edge, if it is past that.
  const pixel = (at: number, k: number, size: number): number => {
    const from = at * s - before + k;
    const source = Math.floor(from / s);
    return from + (Math.min(Math.max(source, 0), size - 1) - source) * s;
  };
  for (let i = 0; i < sums.length; i++) {
    const [x, y, image] = [i % w, Math.floor(i / w) % h, Math.floor(i / (w * h))];
    for (let ky = 0; ky < weight.length; ky++) {
      const row = (image * h * s + pixel(y, ky, h)) * w * s;
      for (let kx = 0; kx < weight.length; kx++) sums[i] += weight[ky] * weight[kx] * big[row + pixel(x, kx, w)];
    }
  }
  return sums;
}
