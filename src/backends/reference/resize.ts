// resize: separable interpolation at half-pixel centres, u = (o + 0.5) * in/out - 0.5, taps clamped to the edge, no
// antialiasing.
// x (n, h, w, c) -> (n, height, width, c). bilinear: 2 taps; bicubic: 4 taps of the cubic convolution kernel with
// parameter a.
// torch F.interpolate(align_corners=False) (bilinear; bicubic with a = -0.75); Keys 1981, MATLAB imresize and PIL:
// a = -0.5. Sums in f64.
import { axisTaps } from '../../core/resize-taps.js';
import type { ResizeMode } from '../../core/shapes.js';
import type { Shape, Tensor } from '../../core/tensor.js';

export function resize(x: Tensor, height: number, width: number, mode: ResizeMode, cubicA: number): Tensor {
  const [n, h, w, c] = x.shape;
  const shape: Shape = [n, height, width, c];
  const y = new Float32Array(n * height * width * c);
  const rows = axisTaps(h, height, mode, cubicA);
  const columns = axisTaps(w, width, mode, cubicA);
  const { taps } = rows;
  let target = 0;
  for (let i = 0; i < n; i++) {
    for (let oy = 0; oy < height; oy++) {
      for (let ox = 0; ox < width; ox++) {
        for (let ci = 0; ci < c; ci++) {
          let sum = 0;
          for (let ky = oy * taps; ky < (oy + 1) * taps; ky++) {
            for (let kx = ox * taps; kx < (ox + 1) * taps; kx++) {
              sum +=
                rows.weight[ky] *
                columns.weight[kx] *
                x.data[((i * h + rows.index[ky]) * w + columns.index[kx]) * c + ci];
            }
          }
          y[target++] = sum;
        }
      }
    }
  }
  return { data: y, shape };
}
