// conv2d: y[n, oy, ox, co] =
//   act(bias[co] + sum_{ky,kx,ci} x[n, oy+(ky-r)d, ox+(kx-r)d, ci] * weights[co, ci, ky, kx]) + residual
// x (n, h, w, cIn)   weights (cOut, cIn, k, k)   y (n, h, w, cOut); r = (k-1)/2, d = dilation; taps outside x read 0.
// torch.nn.functional.conv2d with padding = r*d. Sums in f64.
import type { ConvOptions, ConvWeights } from '../backend.js';
import { type Activation, convShape } from '../../core/shapes.js';
import { elements, type Tensor } from '../../core/tensor.js';

export function conv2d(
  x: Tensor,
  conv: ConvWeights,
  { dilation, activation, slope, residual }: ConvOptions<Tensor>,
): Tensor {
  const shape = convShape(x.shape, conv.cIn, conv.cOut);
  const [n, h, w] = shape;
  const { weights, bias, cIn, cOut, k } = conv;
  const r = (k - 1) / 2;
  const y = new Float32Array(elements(shape));
  const sums = new Float64Array(cOut);
  const byTap = transposeWeights(weights, cOut, cIn, k);
  for (let i = 0; i < n; i++) {
    for (let oy = 0; oy < h; oy++) {
      for (let ox = 0; ox < w; ox++) {
        if (bias) sums.set(bias);
        else sums.fill(0);
        for (let ky = 0; ky < k; ky++) {
          const iy = oy + (ky - r) * dilation;
          if (iy < 0 || iy >= h) continue;
          for (let kx = 0; kx < k; kx++) {
            const ix = ox + (kx - r) * dilation;
            if (ix < 0 || ix >= w) continue;
            const source = ((i * h + iy) * w + ix) * cIn;
            for (let ci = 0; ci < cIn; ci++) {
              const value = x.data[source + ci];
              const row = ((ky * k + kx) * cIn + ci) * cOut;
              for (let co = 0; co < cOut; co++) sums[co] += value * byTap[row + co];
            }
          }
        }
        const target = ((i * h + oy) * w + ox) * cOut;
        for (let co = 0; co < cOut; co++) {
          y[target + co] = activate(sums[co], activation, slope) + (residual ? residual.data[target + co] : 0);
        }
      }
    }
  }
  return { data: y, shape };
}

export function activate(x: number, activation: Activation, slope: number): number {
  switch (activation) {
    case 'none':
      return x;
    case 'relu':
      return Math.max(x, 0);
    case 'leaky-relu':
      return x < 0 ? x * slope : x;
    case 'silu':
      return x / (1 + Math.exp(-x));
    case 'hardswish':
      return (x * Math.min(Math.max(x + 3, 0), 6)) / 6;
  }
}

/** (cOut, cIn, k, k) -> (k, k, cIn, cOut), so that the inner loop runs over neighbours in memory. */
function transposeWeights(weights: Float32Array, cOut: number, cIn: number, k: number): Float32Array {
  const byTap = new Float32Array(weights.length);
  const taps = k * k;
  for (let co = 0; co < cOut; co++) {
    for (let ci = 0; ci < cIn; ci++) {
      for (let tap = 0; tap < taps; tap++) byTap[(tap * cIn + ci) * cOut + co] = weights[(co * cIn + ci) * taps + tap];
    }
  }
  return byTap;
}
