// reassembleGradient: what a loss changes by the features and the kernels of a reassembly, given what it changes by its
// result. Every product features * rows of reassemble.ts, differentiated by either factor:
//   gFeatures[source] += gradient[output] * rows[tap]      gRows[tap] += gradient[output] * features[source]
// features, gFeatures (n, h, w, c)   rows, gRows (n, h, w, groups*K*s^2)   gradient (n, h*s, w*s, c)
// mmcv ops/carafe, backward. Sums in f64.
import { borderIndex } from '../../core/border.js';
import type { Padding, Window } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function reassembleGradient(
  features: Tensor,
  rows: Tensor,
  gradient: Tensor,
  { scale: s, kUp, groups }: Window,
  padding: Padding,
): { features: Tensor; rows: Tensor } {
  const [n, h, w, c] = features.shape;
  const r = (kUp - 1) / 2;
  const perGroup = c / groups;
  const gFeatures = new Float64Array(features.data.length);
  const gRows = new Float32Array(rows.data.length);
  for (let i = 0; i < n; i++) {
    for (let oy = 0; oy < h * s; oy++) {
      for (let ox = 0; ox < w * s; ox++) {
        const [py, px] = [Math.floor(oy / s), Math.floor(ox / s)];
        const row = ((i * h + py) * w + px) * rows.shape[3] + (oy % s) * s + (ox % s);
        const output = ((i * h * s + oy) * w * s + ox) * c;
        for (let ky = 0; ky < kUp; ky++) {
          const iy = borderIndex(py + ky - r, h, padding);
          if (iy < 0) continue;
          for (let kx = 0; kx < kUp; kx++) {
            const ix = borderIndex(px + kx - r, w, padding);
            if (ix < 0) continue;
            const source = ((i * h + iy) * w + ix) * c;
            for (let g = 0; g < groups; g++) {
              const tap = row + ((g * kUp + ky) * kUp + kx) * s * s;
              let sum = 0;
              for (let ci = g * perGroup; ci < (g + 1) * perGroup; ci++) {
                gFeatures[source + ci] += gradient.data[output + ci] * rows.data[tap];
                sum += gradient.data[output + ci] * features.data[source + ci];
              }
              gRows[tap] = sum;
            }
          }
        }
      }
    }
  }
  return {
    features: { data: Float32Array.from(gFeatures), shape: features.shape },
    rows: { data: gRows, shape: rows.shape },
  };
}
