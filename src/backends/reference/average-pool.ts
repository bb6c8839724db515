// averagePool: means of windows that cover x, from floor(i*h/height) to ceil((i+1)*h/height) on each axis.
// x (n, h, w, c) -> (n, height, width, c). torch.nn.AdaptiveAvgPool2d. Sums in f64.
import { poolWindow } from '../../core/shapes.js';
import type { Tensor } from '../../core/tensor.js';

export function averagePool(x: Tensor, height: number, width: number): Tensor {
  const [n, h, w, c] = x.shape;
  const y = new Float32Array(n * height * width * c);
  for (let target = 0; target < y.length; target++) {
    const pixel = Math.floor(target / c);
    const [top, bottom] = poolWindow(Math.floor(pixel / width) % height, h, height);
    const [left, right] = poolWindow(pixel % width, w, width);
    const image = Math.floor(pixel / width / height);
    let sum = 0;
    for (let iy = top; iy < bottom; iy++)
      for (let ix = left; ix < right; ix++) sum += x.data[((image * h + iy) * w + ix) * c + (target % c)];
    y[target] = sum / ((bottom - top) * (right - left));
  }
  return { data: y, shape: [n, height, width, c] };
}
