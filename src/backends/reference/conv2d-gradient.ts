// conv2dGradient: weights[co, ci, ky, kx] = sum_{n,oy,ox} gradient[n, oy, ox, co] * x[n, oy+(ky-r)d, ox+(kx-r)d, ci],
// bias[co] = sum_{n,oy,ox} gradient[n, oy, ox, co].
// x (n, h, w, cIn)   gradient (n, h, w, cOut)   weights (cOut, cIn, k, k)   bias (1, 1, 1, cOut); r = (k-1)/2,
// d = dilation; taps outside x are left out. torch.nn.grad.conv2d_weight with padding = r*d. Sums in f64.
import { convGradientShape } from '../gradients.js';
import type { Tensor } from '../../core/tensor.js';

export function conv2dGradient(
  x: Tensor,
  gradient: Tensor,
  k: number,
  dilation: number,
): { weights: Tensor; bias: Tensor } {
  const [n, h, w, cIn] = x.shape;
  const cOut = gradient.shape[3];
  const r = (k - 1) / 2;
  const taps = k * k;
  const weights = new Float64Array(cOut * cIn * taps);
  const bias = new Float64Array(cOut);
  for (let pixel = 0; pixel < n * h * w; pixel++) {
    const [oy, ox] = [Math.floor(pixel / w) % h, pixel % w];
    for (let co = 0; co < cOut; co++) bias[co] += gradient.data[pixel * cOut + co];
    for (let tap = 0; tap < taps; tap++) {
      const [dy, dx] = [(Math.floor(tap / k) - r) * dilation, ((tap % k) - r) * dilation];
      if (oy + dy < 0 || oy + dy >= h || ox + dx < 0 || ox + dx >= w) continue;
      const source = (pixel + dy * w + dx) * cIn;
      for (let co = 0; co < cOut; co++) {
        const g = gradient.data[pixel * cOut + co];
        for (let ci = 0; ci < cIn; ci++) weights[(co * cIn + ci) * taps + tap] += g * x.data[source + ci];
      }
    }
  }
  return {
    weights: { data: Float32Array.from(weights), shape: convGradientShape(x.shape, gradient.shape, k) },
    bias: { data: Float32Array.from(bias), shape: [1, 1, 1, cOut] },
  };
}
