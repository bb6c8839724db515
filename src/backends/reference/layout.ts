// layout: [n, c, h, w] <-> [n, h, w, c], a permutation of one axis past the other two.
// nchwToNhwc(x)[n, y, x, c] = x[n, c, y, x]; nhwcToNchw is its inverse.
import type { Shape, Tensor } from '../../core/tensor.js';

export function nchwToNhwc({ data, shape: [n, c, h, w] }: Tensor): Tensor {
  return { data: swap(data, n, c, h * w), shape: [n, h, w, c] as Shape };
}

export function nhwcToNchw({ data, shape: [n, h, w, c] }: Tensor): Tensor {
  return { data: swap(data, n, h * w, c), shape: [n, c, h, w] as Shape };
}

/** Transposes each of n matrices [rows, columns]. */
function swap(x: Float32Array, n: number, rows: number, columns: number): Float32Array {
  const y = new Float32Array(x.length);
  for (let i = 0; i < n; i++) {
    const offset = i * rows * columns;
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < columns; c++) y[offset + c * rows + r] = x[offset + r * columns + c];
  }
  return y;
}
