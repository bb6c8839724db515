// reassemble: out[n, y*s+sy, x*s+sx, c] =
//   sum_{ky,kx} features[n, y+ky-r, x+kx-r, c] * rows[n, y, x, ((g*K + ky*kUp+kx)*s + sy)*s + sx]
// features (n, h, w, c)   rows (n, h, w, groups*K*s^2)   out (n, h*s, w*s, c) or (n, c, h*s, w*s); K = kUp^2,
// r = (kUp-1)/2, g = floor(c / (C/groups)).
// Taps outside read 0 and are not renormalised ('zero', as mmcv), or the replicated or reflected border.
// CARAFE, arXiv:1905.02188, eq. 3; mmcv ops/carafe. Sums in f64.
import { borderIndex } from '../../core/border.js';
import { type Layout, type Padding, reassembleShape, type Window } from '../../core/shapes.js';
import { elements, type Tensor } from '../../core/tensor.js';
import { nhwcToNchw } from './layout.js';

export function reassemble(features: Tensor, rows: Tensor, window: Window, padding: Padding, layout: Layout): Tensor {
  const { scale: s, kUp, groups } = window;
  const shape = reassembleShape(features.shape, rows.shape, window, 'NHWC');
  const [n, h, w, c] = features.shape;
  const r = (kUp - 1) / 2;
  const perGroup = c / groups;
  const y = new Float32Array(elements(shape));
  const sums = new Float64Array(c);
  for (let i = 0; i < n; i++) {
    for (let oy = 0; oy < h * s; oy++) {
      for (let ox = 0; ox < w * s; ox++) {
        const py = Math.floor(oy / s);
        const px = Math.floor(ox / s);
        const sub = (oy % s) * s + (ox % s);
        const row = ((i * h + py) * w + px) * rows.shape[3];
        sums.fill(0);
        for (let ky = 0; ky < kUp; ky++) {
          const iy = borderIndex(py + ky - r, h, padding);
          if (iy < 0) continue;
          for (let kx = 0; kx < kUp; kx++) {
            const ix = borderIndex(px + kx - r, w, padding);
            if (ix < 0) continue;
            const source = ((i * h + iy) * w + ix) * c;
            for (let ci = 0; ci < c; ci++) {
              const g = Math.floor(ci / perGroup);
              sums[ci] += features.data[source + ci] * rows.data[row + ((g * kUp + ky) * kUp + kx) * s * s + sub];
            }
          }
        }
        y.set(sums, ((i * h * s + oy) * w * s + ox) * c);
      }
    }
  }
  return layout === 'NHWC' ? { data: y, shape } : nhwcToNchw({ data: y, shape });
}
