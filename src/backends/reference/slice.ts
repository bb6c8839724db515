// slice: out[n, y, x, c] = x[n, area.y + y*step, area.x + x*step, c]
// x (n, h, w, c) -> (n, area.height, area.width, c). torch: x[:, :, y::step, x::step], cropped.
import type { Rectangle } from '../backend.js';
import { sliceShape } from '../../core/shapes.js';
import { elements, type Tensor } from '../../core/tensor.js';

export function slice(x: Tensor, area: Rectangle, step: number): Tensor {
  const shape = sliceShape(x.shape, area, step);
  const [, h, w, c] = x.shape;
  const y = new Float32Array(elements(shape));
  let target = 0;
  for (let i = 0; i < shape[0]; i++)
    for (let oy = 0; oy < area.height; oy++)
      for (let ox = 0; ox < area.width; ox++) {
        const source = ((i * h + area.y + oy * step) * w + area.x + ox * step) * c;
        for (let ci = 0; ci < c; ci++) y[target++] = x.data[source + ci];
      }
  return { data: y, shape };
}
