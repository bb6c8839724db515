// pixelShuffle: out[n, y*s+sy, x*s+sx, c] = x[n, y, x, (c*s+sy)*s+sx]; pixelUnshuffle is its inverse.
// x (n, h, w, c*s*s)   out (n, h*s, w*s, c). torch.nn.PixelShuffle; the order of CARAFE's encoder channels.
import { pixelShuffleShape, pixelUnshuffleShape } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function pixelShuffle(x: Tensor, scale: number): Tensor {
  const shape = pixelShuffleShape(x.shape, scale);
  const y = new Float32Array(x.data.length);
  forEachPair(shape[0], shape[1] / scale, shape[2] / scale, shape[3], scale, (row, pixel) => {
    y[pixel] = x.data[row];
  });
  return { data: y, shape };
}

export function pixelUnshuffle(x: Tensor, scale: number): Tensor {
  const shape = pixelUnshuffleShape(x.shape, scale);
  const y = new Float32Array(x.data.length);
  forEachPair(shape[0], shape[1], shape[2], x.shape[3], scale, (row, pixel) => {
    y[row] = x.data[pixel];
  });
  return { data: y, shape };
}

/** Visits (offset in rows [n, h, w, c*s*s], offset in pixels [n, h*s, w*s, c]) of each value. */
function forEachPair(
  n: number,
  h: number,
  w: number,
  c: number,
  s: number,
  visit: (row: number, pixel: number) => void,
): void {
  let row = 0;
  for (let i = 0; i < n; i++) {
    for (let y = 0; y < h; y++) {
      for (let x = 0; x < w; x++) {
        for (let ci = 0; ci < c; ci++) {
          for (let sy = 0; sy < s; sy++) {
            for (let sx = 0; sx < s; sx++) visit(row++, ((i * h * s + y * s + sy) * w * s + x * s + sx) * c + ci);
          }
        }
      }
    }
  }
}
